"""Asks MLflow what `benchmarks.history_in_sql` asks zenbook: runs in an environment that has MLflow and no zenbook.

``python mlflow_search.py RUNS REPEATS`` reads runs from the file RUNS, one JSON object a line, writes them into an
SQLite file by the tables of MLflow's own store, and prints the median milliseconds of each question's `search_runs`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import mlflow
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

AT_ONCE = 1000  # runs in a transaction


def main(runs: Path, repeats: int) -> None:
    """Fill an empty store, then ask."""
    url = f"sqlite:///{runs.parent / 'mlflow.db'}"
    mlflow.set_tracking_uri(url)
    store = SqlAlchemyStore(url, (runs.parent / "artifacts").as_uri())
    lines = runs.read_text(encoding="utf-8").splitlines()
    fill(store, [json.loads(line) for line in lines])
    questions = {
        "best": {
            "filter_string": "metrics.m1 < 0.5 and params.p7 = '17'",
            "order_by": ["metrics.m5 DESC"],
            "max_results": 10,
        },
        "latest": {"order_by": ["attributes.start_time DESC"], "max_results": 50},
        "all": {"max_results": len(lines)},
    }
    answers = {}
    for name, question in questions.items():
        took = []
        for _ in range(repeats + 1 if name != "all" else 2):  # the first is not counted; all take many seconds
            start = time.perf_counter()
            found = mlflow.search_runs(["0"], **question)
            took.append(time.perf_counter() - start)
        answers[name] = {"ms": statistics.median(took[1:]) * 1e3, "runs": [*found["run_id"]]}
    start = time.perf_counter()
    found["metrics.m3"].groupby(found["params.p7"]).mean()
    grouping = (time.perf_counter() - start) * 1e3  # there is no group by: all runs are fetched for it
    answers["mean"] = {"ms": answers["all"]["ms"] + grouping}
    print(json.dumps({"version": mlflow.__version__, **answers}))


def fill(store: SqlAlchemyStore, runs: list[dict]) -> None:
    """Write runs as `log_batch` would, many in a transaction."""
    for first in range(0, len(runs), AT_ONCE):
        some = runs[first : first + AT_ONCE]
        with store.ManagedSessionMaker() as session:
            session.bulk_insert_mappings(SqlRun, [_run(one) for one in some])
            session.bulk_insert_mappings(
                SqlTag, [{"run_uuid": one["id"], "key": "mlflow.runName", "value": one["name"]} for one in some]
            )
            session.bulk_insert_mappings(
                SqlParam,
                [
                    {"run_uuid": one["id"], "key": key, "value": str(value)}
                    for one in some
                    for key, value in one["params"].items()
                ],
            )
            values = [
                {"run_uuid": one["id"], "key": key, "value": value, "timestamp": one["at"], "step": 0, "is_nan": False}
                for one in some
                for key, value in one["metrics"].items()
            ]
            session.bulk_insert_mappings(SqlMetric, values)
            session.bulk_insert_mappings(SqlLatestMetric, values)


def _run(one: dict) -> dict:
    return {
        "run_uuid": one["id"],
        "name": one["name"],
        "source_type": "LOCAL",
        "entry_point_name": "",
        "user_id": "me",
        "status": "FINISHED",
        "start_time": one["at"],
        "end_time": one["at"] + 1000,
        "lifecycle_stage": "active",
        "artifact_uri": f"artifacts/{one['id']}",
        "experiment_id": 0,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
