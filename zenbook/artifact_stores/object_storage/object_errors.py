"""What goes wrong between here and an object storage, told in one sentence with the way out."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from zenbook.errors import StoreError, StoreUnreachableError


class Fault(StrEnum):
    """Kinds of fault that have a way out of their own."""

    NO_CREDENTIALS = "no credentials"
    EXPIRED = "expired credentials"
    REFUSED = "refused credentials"
    FORBIDDEN = "no rights"
    NO_BUCKET = "no bucket"
    MISSING = "no such object"
    OTHER_REGION = "another region"
    FULL = "full"
    BUSY = "busy"  # a timeout, a lost connection, 429, 5xx
    UNREACHABLE = "unreachable"


TRANSIENT = frozenset({Fault.BUSY, Fault.UNREACHABLE})


@dataclass(frozen=True, slots=True)
class Service:
    """What a kind of storage is called, and its ways out. ``{bucket}`` in these is the bucket's name."""

    title: str
    fault: Callable[[BaseException], Fault | None]  # of one exception of its libraries, without those that led to it
    login: str = "Mend the credentials in the store's options."
    rights: str = "Ask whoever runs it for the right to list, read, write and delete there."
    make_bucket: str = "Make the folder, or correct the store's path."
    region: str = "Correct the store's options."
    bucket: str = "bucket"


def fault_of(error: BaseException, service: Service) -> Fault | None:
    """What kind of fault an exception is, by itself or by those that led to it."""
    found = None
    for one in chain(error):
        fault = service.fault(one) or _common_fault(one)
        if fault is Fault.NO_BUCKET or (fault is not None and found is None):
            found = fault
        elif found in (Fault.MISSING, Fault.FORBIDDEN, Fault.BUSY) and fault not in (None, Fault.MISSING, Fault.BUSY):
            found = fault  # libraries wrap what says more into what says less
    return found


def store_error(
    error: BaseException, service: Service, *, url: str, where: str, doing: str, secrets: tuple[str, ...]
) -> StoreError:
    """The error to tell: ``where`` is the endpoint, ``doing`` a participle (``written``). No secret is in it."""
    fault = fault_of(error, service)
    bucket = url.partition("://")[2].partition("/")[0]
    reason = _one_line(error, secrets)
    told: dict[Fault | None, tuple[str, str]] = {
        Fault.NO_CREDENTIALS: (f"There are no credentials for {service.title} ({url}).", service.login),
        Fault.EXPIRED: (f"The credentials for {service.title} have expired ({url}).", service.login),
        Fault.REFUSED: (f"{service.title} doesn't accept the credentials for {url}.", service.login),
        Fault.FORBIDDEN: (f"{url} can't be {doing}: these credentials have no right to.", service.rights),
        Fault.NO_BUCKET: (f"There is no {service.bucket} {bucket!r} at {where}.", service.make_bucket),
        Fault.MISSING: (f"There is no {service.bucket} {bucket!r} at {where}.", service.make_bucket),
        Fault.OTHER_REGION: (f"The {service.bucket} {bucket!r} is in another region.", service.region),
        Fault.FULL: (f"{url} can't be {doing}: it is full.", "Free some space there: zen gc."),
        Fault.BUSY: (
            f"{url} can't be {doing} for now: {service.title} keeps failing ({reason}).",
            "Run it again in a while; what is finished comes from the cache.",
        ),
        Fault.UNREACHABLE: (
            f"{url} can't be {doing}: {where} can't be reached ({reason}).",
            "Is the network up, and the store's endpoint right? What is finished comes from the cache next time.",
        ),
        None: (f"{url} can't be {doing}: {reason}.", "See `zen stack check`."),
    }
    message, hint = told[fault]
    family = StoreUnreachableError if fault in TRANSIENT else StoreError
    return family(message, hint.replace("{bucket}", bucket))


def tellable(error: BaseException, secrets: tuple[str, ...]) -> BaseException | None:
    """The exception as a cause to show, or None where it would show a secret."""
    shown = " ".join(f"{one!s} {one!r}" for one in chain(error))
    return None if any(secret in shown for secret in secrets) else error


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that led to it."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def kind(error: BaseException) -> str:
    """``package.Class``, to tell a library's exceptions apart without importing it."""
    return f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"


def by_status(status: object) -> Fault | None:
    """What an HTTP status means where nothing else is known."""
    number = int(status) if isinstance(status, int) or (isinstance(status, str) and status.isdigit()) else 0
    if number in (408, 429) or number >= 500:
        return Fault.BUSY
    return {401: Fault.REFUSED, 403: Fault.FORBIDDEN, 404: Fault.MISSING}.get(number)


def is_full(error: OSError) -> bool:
    """Whether a disk has no more space for this user."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _common_fault(error: BaseException) -> Fault | None:
    if kind(error).startswith("aiohttp."):
        return Fault.UNREACHABLE if "Connector" in kind(error) else by_status(getattr(error, "status", 503))
    if isinstance(error, OSError) and is_full(error):
        return Fault.FULL
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED):
        return Fault.UNREACHABLE
    if type(error).__name__ == "gaierror":
        return Fault.UNREACHABLE
    if isinstance(error, FileNotFoundError):
        return Fault.MISSING
    if isinstance(error, PermissionError):
        return Fault.FORBIDDEN
    if isinstance(error, ConnectionError | TimeoutError | EOFError):
        return Fault.BUSY
    return None


def _one_line(error: BaseException, secrets: tuple[str, ...]) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    for secret in secrets:
        text = text.replace(secret, "…")
    text = text if len(text) <= 300 else f"{text[:300]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
