"""Airflow's REST API, as far as runs need it: version 2 of Airflow 3, version 1 of Airflow 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from zenbook.integrations.airflow.connection import Account, Connection

_PAGE_SIZE = 100
ENDED = ("success", "failed", "upstream_failed", "skipped", "removed")  # states of a task instance


@dataclass(frozen=True, slots=True)
class DagInfo:
    """What Airflow knows about a DAG."""

    tags: tuple[str, ...]
    paused: bool


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """The state of a task instance."""

    state: str  # "" before it is scheduled
    attempt: int


class AirflowApi:
    """The REST API of one Airflow.

    A request that fails is sent again for some seconds. Then every method raises `AirflowUnavailableError`. Every
    method raises `StackError` if Airflow refuses the account, and `RunError` if it refuses the request.

    Args:
        url: the address of Airflow's web page.
        account: who sends the requests.
        verify_tls: whether the server's certificate has to be valid.
        patience: seconds for which a request that fails is sent again.
    """

    def __init__(self, url: str, account: Account, *, verify_tls: bool = True, patience: float = 30.0) -> None:
        self.connection = Connection(url, account, verify_tls=verify_tls, patience=patience)

    def health(self) -> dict[str, str]:
        """The state of each component of Airflow, such as "healthy"."""
        path = "/api/v2/monitor/health" if self.connection.version == 2 else "/api/v1/health"
        components = self.connection.ask("GET", path, signed=False)
        return {
            name: str(component["status"])
            for name, component in components.items()
            if isinstance(component, dict) and component.get("status")
        }

    def dag(self, dag_id: str) -> DagInfo | None:
        """Look a DAG up.

        Args:
            dag_id: the DAG's id.

        Returns:
            The DAG as it was parsed last, None if Airflow has no such DAG.
        """
        dag = self.connection.ask("GET", self.connection.path("dags", dag_id), expected={404: None})
        if dag is None or dag.get("is_active") is False or dag.get("is_stale") is True:
            return None
        return DagInfo(tuple(tag["name"] for tag in dag["tags"] or ()), bool(dag["is_paused"]))

    def import_error(self, ending: str) -> str:
        """The import error of a DAG's file.

        Args:
            ending: how the path of the file ends.

        Returns:
            The traceback; "" if Airflow has imported the file, or has not tried yet.
        """
        page = self.connection.ask(
            "GET", self.connection.path("importErrors") + f"?limit={_PAGE_SIZE}&order_by=-import_error_id"
        )
        errors = [error for error in page["import_errors"] if str(error["filename"]).endswith(ending)]
        return str(errors[0]["stack_trace"]) if errors else ""

    def unpause(self, dag_id: str) -> None:
        """Let the runs of a DAG start.

        Args:
            dag_id: the DAG's id.
        """
        self.connection.ask("PATCH", self.connection.path("dags", dag_id), {"is_paused": False})

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a run of a DAG, unless a run with this id exists already.

        Args:
            dag_id: the DAG's id.
            run_id: the id that the run gets in Airflow.
            conf: the run's configuration, which sets parameters of the DAG.
        """
        body: dict[str, Any] = {"dag_run_id": run_id, "conf": conf}
        if self.connection.version == 2:
            body["logical_date"] = None
        self.connection.ask("POST", self.connection.path("dags", dag_id, "dagRuns"), body, expected={409: {}})

    def state(self, dag_id: str, run_id: str) -> str | None:
        """The state of a run.

        Args:
            dag_id: the DAG's id.
            run_id: the id of the run in Airflow.

        Returns:
            "queued", "running", "success" or "failed"; None if the run does not exist.
        """
        run = self.connection.ask("GET", self._run_path(dag_id, run_id), expected={404: None})
        return None if run is None else str(run["state"])

    def tasks(self, dag_id: str, run_id: str) -> dict[str, TaskInfo]:
        """The task instances of a run.

        Args:
            dag_id: the DAG's id.
            run_id: the id of the run in Airflow.

        Returns:
            The task instances by their tasks' ids.
        """
        path = self._run_path(dag_id, run_id, "taskInstances")
        tasks: dict[str, TaskInfo] = {}
        while True:
            page = self.connection.ask("GET", f"{path}?limit={_PAGE_SIZE}&offset={len(tasks)}")
            for task in page["task_instances"]:
                tasks[task["task_id"]] = TaskInfo(str(task["state"] or ""), int(task["try_number"] or 0))
            if not page["task_instances"] or len(tasks) >= page["total_entries"]:
                return tasks

    def log(self, dag_id: str, run_id: str, task: str, attempt: int) -> str:
        """Airflow's log of a task instance.

        Args:
            dag_id: the DAG's id.
            run_id: the id of the run in Airflow.
            task: the task's id.
            attempt: the attempt whose log is read, from 1.

        Returns:
            The log's text, "" if there is none.
        """
        path = self._run_path(dag_id, run_id, "taskInstances", task, "logs", str(attempt))
        content = self.connection.ask("GET", f"{path}?full_content=true", expected={404: {"content": ""}})["content"]
        if isinstance(content, str):
            return content
        return "\n".join(str(line.get("event", "") if isinstance(line, dict) else line) for line in content)

    def fail(self, dag_id: str, run_id: str) -> None:
        """End a run as failed, which stops its running tasks. A run that does not exist is left out.

        Args:
            dag_id: the DAG's id.
            run_id: the id of the run in Airflow.
        """
        self.connection.ask("PATCH", self._run_path(dag_id, run_id), {"state": "failed"}, expected={404: None})

    def page(self, dag_id: str, run_id: str) -> str:
        """The address of a run's web page.

        Args:
            dag_id: the DAG's id.
            run_id: the id of the run in Airflow.

        Returns:
            A URL.
        """
        quoted = quote(run_id, safe="")
        if self.connection.version == 2:
            return f"{self.connection.url}/dags/{dag_id}/runs/{quoted}"
        return f"{self.connection.url}/dags/{dag_id}/grid?dag_run_id={quoted}"

    def _run_path(self, dag_id: str, run_id: str, *parts: str) -> str:
        return self.connection.path("dags", dag_id, "dagRuns", run_id, *parts)


__all__ = ["ENDED", "AirflowApi", "DagInfo", "TaskInfo"]
