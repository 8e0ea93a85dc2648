"""Airflow's REST API, as far as runs need it: version 2 of Airflow 3, version 1 of Airflow 2."""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from zenbook.errors import RunError, StackError
from zenbook.interrupts import pause

_EACH = 15.0  # seconds for one request
_AGAIN = 1.0  # seconds until a request that failed is made again
_AWAY = (429, 500, 502, 503, 504)  # answers after which another may be better
ENDED = ("success", "failed", "upstream_failed", "skipped", "removed")


class AirflowUnavailableError(RunError):
    """Airflow that does not answer, or answers with a failure of its own."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who asks: a token, or a user with a password, or nobody."""

    username: str = ""
    password: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class DagInfo:
    """What Airflow knows of a DAG."""

    tags: tuple[str, ...]
    paused: bool


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What became of a task so far."""

    state: str  # "" before it is scheduled
    attempt: int


class AirflowApi:
    """Asks one Airflow. Every method raises `AirflowUnavailableError` if it gets no answer for ``patience`` seconds.

    `StackError` is raised where Airflow refuses who asks.
    """

    def __init__(self, url: str, account: Account, *, verify_tls: bool = True, patience: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self.account = account
        self.patience = patience
        self._context = None if verify_tls else ssl._create_unverified_context()  # noqa: S323  # the user's setting
        self._bearer = account.token

    @cached_property
    def version(self) -> int:
        """Of the API: 2 or 1."""
        for number in (2, 1):
            if self._ask("GET", f"/api/v{number}/version", missing=None, signed=False) is not None:
                return number
        raise StackError(
            f"There is no REST API of Airflow at {self.url}.", "Give the address of Airflow's web page: --url http://…"
        )

    def health(self) -> dict[str, str]:
        """The state of each part of Airflow."""
        path = "/api/v2/monitor/health" if self.version == 2 else "/api/v1/health"
        found = self._ask("GET", path, signed=False)
        return {name: str(one["status"]) for name, one in found.items() if isinstance(one, dict) and one.get("status")}

    def dag(self, dag_id: str) -> DagInfo | None:
        """A DAG that Airflow has parsed; None if it has none of that id."""
        found = self._ask("GET", self._path("dags", dag_id), missing=None)
        if found is None or found.get("is_active") is False or found.get("is_stale") is True:
            return None
        return DagInfo(tuple(one["name"] for one in found["tags"] or ()), bool(found["is_paused"]))

    def import_error(self, ending: str) -> str:
        """The traceback of the file whose name ends so; "" if Airflow could read it, or has not tried."""
        found = self._ask("GET", self._path("importErrors") + "?limit=100&order_by=-import_error_id")
        errors = [one for one in found["import_errors"] if str(one["filename"]).endswith(ending)]
        return str(errors[0]["stack_trace"]) if errors else ""

    def unpause(self, dag_id: str) -> None:
        """Switch a DAG on."""
        self._ask("PATCH", self._path("dags", dag_id), {"is_paused": False})

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Begin a run of a DAG under an id of ours; one that exists already is left."""
        body: dict[str, Any] = {"dag_run_id": run_id, "conf": conf}
        if self.version == 2:
            body["logical_date"] = None
        self._ask("POST", self._path("dags", dag_id, "dagRuns"), body, conflict={})

    def state(self, dag_id: str, run_id: str) -> str | None:
        """A run's state: queued, running, success, failed; None if there is no such run."""
        found = self._ask("GET", self._path("dags", dag_id, "dagRuns", run_id), missing=None)
        return None if found is None else str(found["state"])

    def tasks(self, dag_id: str, run_id: str) -> dict[str, TaskInfo]:
        """The tasks of a run by their ids."""
        path = self._path("dags", dag_id, "dagRuns", run_id, "taskInstances")
        found: dict[str, TaskInfo] = {}
        while True:
            page = self._ask("GET", f"{path}?limit=100&offset={len(found)}")
            for one in page["task_instances"]:
                found[one["task_id"]] = TaskInfo(str(one["state"] or ""), int(one["try_number"] or 0))
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def log(self, dag_id: str, run_id: str, task: str, attempt: int) -> str:
        """What Airflow has logged of a task."""
        path = self._path("dags", dag_id, "dagRuns", run_id, "taskInstances", task, "logs", str(attempt))
        found = self._ask("GET", f"{path}?full_content=true", missing={"content": ""})
        content = found["content"]
        if isinstance(content, str):
            return content
        return "\n".join(str(one.get("event", "") if isinstance(one, dict) else one) for one in content)

    def fail(self, dag_id: str, run_id: str) -> None:
        """End a run: its running tasks are stopped."""
        self._ask("PATCH", self._path("dags", dag_id, "dagRuns", run_id), {"state": "failed"}, missing=None)

    def page(self, dag_id: str, run_id: str) -> str:
        """The address of a run for people."""
        quoted = urllib.parse.quote(run_id, safe="")
        if self.version == 2:
            return f"{self.url}/dags/{dag_id}/runs/{quoted}"
        return f"{self.url}/dags/{dag_id}/grid?dag_run_id={quoted}"

    # --- requests -------------------------------------------------------------------------------------------------

    def _path(self, *parts: str) -> str:
        return "/".join([f"/api/v{self.version}", *(urllib.parse.quote(one, safe="") for one in parts)])

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        missing: Any = ...,
        conflict: Any = ...,
        signed: bool = True,
    ) -> Any:
        """The answer as JSON; ``missing`` and ``conflict`` stand for the answers 404 and 409."""
        renewed = False
        until = time.monotonic() + self.patience
        while True:
            try:
                return self._once(method, path, body, self._signature() if signed else {})
            except urllib.error.HTTPError as error:
                if error.code == 404 and missing is not ...:
                    return missing
                if error.code == 409 and conflict is not ...:
                    return conflict
                if error.code == 401 and self._can_renew() and not renewed:
                    renewed, self._bearer = True, ""
                    continue
                self._refuse(error, method, path)
                problem = f"it answers {error.code} {error.reason}"
            except (OSError, ValueError) as error:
                problem = str(getattr(error, "reason", "")) or str(error) or type(error).__name__
            if time.monotonic() > until:
                raise AirflowUnavailableError(
                    f"Airflow at {self.url} does not answer for {self.patience:g} s: {problem}.",
                    "Is it up, and is this its address? `zen stack check` tries again.",
                )
            pause(_AGAIN)

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Any:
        request = urllib.request.Request(  # noqa: S310  # the user's own address
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json", **headers},
        )
        with urllib.request.urlopen(request, timeout=_EACH, context=self._context) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else {}

    def _refuse(self, error: urllib.error.HTTPError, method: str, path: str) -> None:
        """Raise for an answer that will be no other next time."""
        if error.code in _AWAY:
            return
        told = _detail(error)
        if error.code in (401, 403):
            raise StackError(
                f"Airflow at {self.url} refuses this user or token ({error.code}{told}).",
                "Give --username and --password, or --token, of a user who may edit and trigger DAGs.",
            ) from None
        raise RunError(f"Airflow at {self.url} answers {error.code} to {method} {path}{told}.") from None

    def _can_renew(self) -> bool:
        return self.version == 2 and not self.account.token

    def _signature(self) -> dict[str, str]:
        if self.version == 1 and not self.account.token:
            if not self.account.username:
                return {}
            pair = f"{self.account.username}:{self.account.password}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        if not self._bearer:
            self._bearer = self._new_token()
        return {"Authorization": f"Bearer {self._bearer}"}

    def _new_token(self) -> str:
        """A token of Airflow 3 for the user; for nobody where Airflow takes everybody for an administrator."""
        account = self.account
        made: Callable[[], Any] = lambda: self._once("GET", "/auth/token", None, {})  # noqa: E731
        if account.username:
            body = {"username": account.username, "password": account.password}
            made = lambda: self._once("POST", "/auth/token", body, {})  # noqa: E731
        try:
            return str(made()["access_token"])
        except urllib.error.HTTPError as error:
            if error.code in _AWAY:
                raise
            raise StackError(
                f"Airflow at {self.url} gives no token ({error.code}{_detail(error)}).",
                "Give --username and --password, or --token, of a user who may edit and trigger DAGs.",
            ) from None


def _detail(error: urllib.error.HTTPError) -> str:
    """What the answer says itself, in one line."""
    try:
        said = json.loads(error.read() or b"{}").get("detail", "")
    except (OSError, ValueError, AttributeError):
        return ""
    return f": {' '.join(str(said).split())[:200]}" if said else ""


__all__ = ["ENDED", "Account", "AirflowApi", "AirflowUnavailableError", "DagInfo", "TaskInfo"]
