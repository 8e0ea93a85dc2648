"""The connection to Airflow's REST API: who sends the requests, which are sent again, what refusals mean."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from zenbook.errors import RunError, StackError
from zenbook.interrupts import pause

if TYPE_CHECKING:
    import httpx

_REQUEST_TIMEOUT = 15.0  # seconds to connect, and between two parts of an answer
_RETRY_INTERVAL = 1.0  # seconds
_RETRIED_STATUSES = (429, 500, 502, 503, 504)
_ACCOUNT_HINT = "Give --username and --password, or --token, of a user who may edit and trigger DAGs."


class AirflowUnavailableError(RunError):
    """Airflow does not answer, or its answer says that it has a problem of its own."""


class _RetryableError(Exception):
    """A request that failed, and that may succeed when it is sent again."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who sends the requests: a token, or a user with a password, or nobody."""

    username: str = ""
    password: str = ""
    token: str = ""


class Connection:
    """Requests to one Airflow, as JSON.

    Args:
        url: the address of Airflow's web page.
        account: who sends the requests.
        verify_tls: whether the server's certificate has to be valid.
        patience: seconds for which a request that fails is sent again.
    """

    def __init__(self, url: str, account: Account, *, verify_tls: bool, patience: float) -> None:
        self.url = url.rstrip("/")
        self.account = account
        self.verify_tls = verify_tls
        self.patience = patience
        self._token = account.token

    @cached_property
    def version(self) -> int:
        """The version of the API, 2 or 1.

        Raises:
            StackError: neither version is found at the address.
        """
        for number in (2, 1):
            if self.ask("GET", f"/api/v{number}/version", expected={404: None}, signed=False) is not None:
                return number
        raise StackError(
            f"Airflow's REST API was not found at {self.url}.", "Give the address of Airflow's web page: --url http://…"
        )

    def path(self, *parts: str) -> str:
        """The path of a resource.

        Args:
            *parts: names of collections and ids, from the outermost to the innermost; they are quoted.

        Returns:
            The path with the API's version.
        """
        return "/".join([f"/api/v{self.version}", *(quote(part, safe="") for part in parts)])

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        expected: Mapping[int, Any] | None = None,
        signed: bool = True,
    ) -> Any:
        """Send a request, again and again while it fails in a way that may pass.

        Args:
            method: the HTTP method.
            path: the path with the query.
            body: what is sent as JSON.
            expected: what to return for an answer with a certain status, instead of raising.
            signed: whether the request needs the account.

        Returns:
            The answer's JSON, {} for an empty answer.

        Raises:
            AirflowUnavailableError: no answer came for `patience` seconds.
        """
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_RetryableError),
            stop=tenacity.stop_after_delay(self.patience),
            wait=tenacity.wait_fixed(_RETRY_INTERVAL),
            sleep=pause,
            reraise=True,
        )
        try:
            return retrying(self._ask_once, method, path, body, expected or {}, signed=signed)
        except _RetryableError as error:
            raise AirflowUnavailableError(
                f"Airflow at {self.url} did not answer within {self.patience:g} s: {error}.",
                "Is it running, and is this its address? Test it with `zen stack check`.",
            ) from None

    def _ask_once(
        self, method: str, path: str, body: Mapping[str, Any] | None, expected: Mapping[int, Any], *, signed: bool
    ) -> Any:
        answer = self._send(method, path, body, signed=signed)
        if answer.status_code == 401 and signed and self.version == 2 and not self.account.token:
            self._token = ""  # it has expired
            answer = self._send(method, path, body, signed=signed)
        if answer.status_code in expected:
            return expected[answer.status_code]
        _check_retryable(answer)
        if answer.status_code in (401, 403):
            raise StackError(
                f"Airflow at {self.url} refuses this user or token ({answer.status_code}{_detail(answer)}).",
                _ACCOUNT_HINT,
            )
        if not answer.is_success:
            raise RunError(f"Airflow at {self.url} answers {answer.status_code} to {method} {path}{_detail(answer)}.")
        return _json_of(answer)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, *, signed: bool = False) -> httpx.Response:
        import httpx

        sign = self._signature() if signed else None
        try:
            return httpx.request(
                method,
                self.url + path,
                content=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                auth=sign,
                timeout=_REQUEST_TIMEOUT,
                follow_redirects=method != "PATCH",
                verify=self._certificates,
                proxy=_proxy_of(self.url),
                trust_env=False,  # httpx trusts other certificates than this machine does, unless it is given them
            )
        except (httpx.RequestError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:
            raise _RetryableError(str(error) or type(error).__name__) from error

    @cached_property
    def _certificates(self) -> ssl.SSLContext | bool:
        return ssl.create_default_context() if self.verify_tls else False

    def _signature(self) -> tuple[str, str] | Callable[[httpx.Request], httpx.Request] | None:
        if self.version == 1 and not self.account.token:
            return (self.account.username, self.account.password) if self.account.username else None
        if not self._token:
            self._token = self._new_token()
        header = f"Bearer {self._token}"

        def sign(request: httpx.Request) -> httpx.Request:
            request.headers["Authorization"] = header
            return request

        return sign

    def _new_token(self) -> str:
        """A token of Airflow 3 for the user; for nobody where Airflow takes everybody for an administrator."""
        user = {"username": self.account.username, "password": self.account.password}
        answer = self._send("POST", "/auth/token", user) if user["username"] else self._send("GET", "/auth/token", None)
        _check_retryable(answer)
        if not answer.is_success:
            raise StackError(
                f"Airflow at {self.url} gives no token ({answer.status_code}{_detail(answer)}).", _ACCOUNT_HINT
            )
        return str(_json_of(answer)["access_token"])


def _check_retryable(answer: httpx.Response) -> None:
    if answer.status_code in _RETRIED_STATUSES:
        raise _RetryableError(f"it answers {answer.status_code} {answer.reason_phrase}")


def _json_of(answer: httpx.Response) -> Any:
    try:
        return answer.json() if answer.content else {}
    except ValueError as error:
        raise _RetryableError(str(error)) from error


def _detail(answer: httpx.Response) -> str:
    """What the answer says is wrong, in one line."""
    try:
        detail = (answer.json() if answer.content else {}).get("detail", "")
    except (ValueError, AttributeError):
        return ""
    return f": {' '.join(str(detail).split())[:200]}" if detail else ""


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment or the system names for an address."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


__all__ = ["Account", "AirflowUnavailableError", "Connection"]
