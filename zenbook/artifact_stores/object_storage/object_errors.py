"""Classify the errors of object storage, and write the message and the hint that a user reads."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from zenbook.errors import StoreError, StoreUnreachableError


class Fault(StrEnum):
    """Kinds of errors that need different help."""

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
_VAGUE = frozenset({Fault.MISSING, Fault.FORBIDDEN, Fault.BUSY})  # a cause of another kind says more than these


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of storage: its name, how its errors are classified, and its hints.

    ``{bucket}`` in a hint is replaced by the bucket's name.
    """

    title: str
    classify: Callable[[BaseException], Fault | None]  # one exception of its libraries, without its causes
    login: str = "Fix the credentials in the store's options."
    rights: str = "Ask the administrator for the right to list, read, write and delete there."
    make_bucket: str = "Create the folder, or correct the store's path."
    region: str = "Correct the store's options."
    bucket: str = "bucket"


_MESSAGES: dict[Fault | None, str] = {
    Fault.NO_CREDENTIALS: "No credentials found for {title} ({url}).",
    Fault.EXPIRED: "The credentials for {title} have expired ({url}).",
    Fault.REFUSED: "{title} doesn't accept the credentials for {url}.",
    Fault.FORBIDDEN: "{url} could not be {action}: these credentials do not have the right.",
    Fault.NO_BUCKET: "The {noun} {bucket!r} does not exist at {where}.",
    Fault.MISSING: "The {noun} {bucket!r} does not exist at {where}.",
    Fault.OTHER_REGION: "The {noun} {bucket!r} is in another region.",
    Fault.FULL: "{url} could not be {action}: it is full.",
    Fault.BUSY: "{url} could not be {action}: {title} keeps failing ({reason}).",
    Fault.UNREACHABLE: "{url} could not be {action}: {where} is unreachable ({reason}).",
    None: "{url} could not be {action}: {reason}.",
}


def to_store_error(
    error: BaseException, service: Service, *, url: str, where: str, action: str, secrets: tuple[str, ...]
) -> StoreError:
    """Say what an exception of a storage library means, and what to do.

    Args:
        error: What the library raised.
        service: The kind of storage.
        url: Of the store.
        where: The endpoint, for people.
        action: A participle that completes "could not be …", like ``written``.
        secrets: Texts that must not appear in the message.

    Returns:
        The error to raise; a `StoreUnreachableError` for a fault that may pass.
    """
    fault = find_fault(error, service)
    bucket = url.partition("://")[2].partition("/")[0]
    message = _MESSAGES[fault].format(
        title=service.title,
        noun=service.bucket,
        bucket=bucket,
        url=url,
        where=where,
        action=action,
        reason=_one_line(error, secrets),
    )
    error_class = StoreUnreachableError if fault in TRANSIENT else StoreError
    return error_class(message, _hint(fault, service).replace("{bucket}", bucket))


def _hint(fault: Fault | None, service: Service) -> str:
    match fault:
        case Fault.NO_CREDENTIALS | Fault.EXPIRED | Fault.REFUSED:
            return service.login
        case Fault.FORBIDDEN:
            return service.rights
        case Fault.NO_BUCKET | Fault.MISSING:
            return service.make_bucket
        case Fault.OTHER_REGION:
            return service.region
        case Fault.FULL:
            return "Free some space there: zen gc."
        case Fault.BUSY:
            return "Run it again later; finished steps come from the cache."
        case Fault.UNREACHABLE:
            return "Check the network and the store's endpoint. Finished steps come from the cache next time."
        case None:
            return "Run `zen stack check`."


def find_fault(error: BaseException, service: Service) -> Fault | None:
    """Classify an exception by itself and by its causes.

    Args:
        error: What a storage library raised.
        service: The kind of storage.

    Returns:
        The fault that says most, or None for an unknown one.
    """
    result = None
    for cause in exception_chain(error):
        fault = service.classify(cause) or _common_fault(cause)
        if fault is Fault.NO_BUCKET or (fault is not None and result is None):
            result = fault
        elif result in _VAGUE and fault not in (None, Fault.MISSING, Fault.BUSY):
            result = fault  # libraries wrap a precise error in a vague one
    return result


def cause_without_secrets(error: BaseException, secrets: tuple[str, ...]) -> BaseException | None:
    """The exception as a cause to show, or None if it would show a secret.

    Args:
        error: What a storage library raised.
        secrets: Texts that must not be shown.

    Returns:
        The exception itself, or None.
    """
    shown = " ".join(f"{cause!s} {cause!r}" for cause in exception_chain(error))
    return None if any(secret in shown for secret in secrets) else error


def exception_chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and its causes, each once.

    Args:
        error: The outermost exception.

    Yields:
        The exception, its cause or context, the cause's cause, and so on.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def qualified_name(error: BaseException) -> str:
    """Name an exception's class, so that a library's exceptions are recognised without importing it.

    Args:
        error: Any exception.

    Returns:
        ``package.Class``.
    """
    return f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"


def fault_of_status(status: object) -> Fault | None:
    """Classify an HTTP status, where nothing else is known.

    Args:
        status: A number, its text, or anything else.

    Returns:
        The fault, or None for a status that says nothing.
    """
    number = int(status) if isinstance(status, int) or (isinstance(status, str) and status.isdigit()) else 0
    if number in (408, 429) or number >= 500:
        return Fault.BUSY
    return {401: Fault.REFUSED, 403: Fault.FORBIDDEN, 404: Fault.MISSING}.get(number)


def is_full(error: OSError) -> bool:
    """Whether a disk has no more space for this user.

    Args:
        error: What the system raised.

    Returns:
        True for a full disk and a quota that is used up.
    """
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


_BY_NUMBER = {
    errno.ENOSPC: Fault.FULL,
    errno.EDQUOT: Fault.FULL,
    errno.EHOSTUNREACH: Fault.UNREACHABLE,
    errno.ENETUNREACH: Fault.UNREACHABLE,
    errno.ECONNREFUSED: Fault.UNREACHABLE,
}
_BY_CLASS: tuple[tuple[type[BaseException], Fault], ...] = (
    (FileNotFoundError, Fault.MISSING),
    (PermissionError, Fault.FORBIDDEN),
    (ConnectionError, Fault.BUSY),
    (TimeoutError, Fault.BUSY),
    (EOFError, Fault.BUSY),
)


def _common_fault(error: BaseException) -> Fault | None:
    name = qualified_name(error)
    if name.startswith("aiohttp."):
        return Fault.UNREACHABLE if "Connector" in name else fault_of_status(getattr(error, "status", 503))
    if isinstance(error, OSError) and error.errno in _BY_NUMBER:
        return _BY_NUMBER[error.errno]
    if type(error).__name__ == "gaierror":
        return Fault.UNREACHABLE
    return next((fault for error_class, fault in _BY_CLASS if isinstance(error, error_class)), None)


def _one_line(error: BaseException, secrets: tuple[str, ...]) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    for secret in secrets:
        text = text.replace(secret, "…")
    text = text if len(text) <= 300 else f"{text[:300]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
