"""Questions over runs beside MLflow's `search_runs` on the same data, both with SQLite and up to a pandas DataFrame."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.measuring import ROOT, environment, in_turns

PYTHON = ROOT / ".cache" / "mlflow" / "bin" / "python"  # made by tests/setup/mlflow.sh
SCRIPT = Path(__file__).parent / "mlflow_search.py"
MOST = 1 / 20  # of MLflow's time, for what reads the whole history; of ten rows a plan's fixed cost is most

QUESTIONS = {
    "best": (
        "the best 10 by a metric, with two conditions",
        "select * from runs where metrics.m1 < 0.5 and params.p7 = 17 order by metrics.m5 desc limit 10",
    ),
    "latest": ("the latest 50", "select * from runs order by created_at desc limit 50"),
    "all": ("all with all values", "select * exclude (params, metrics), unnest(params), unnest(metrics) from runs"),
    "mean": ("a metric's mean by a parameter", "select params.p7, avg(metrics.m3) from runs group by all"),
}
WHOLE = ("all", "mean")


def against_mlflow(runs: Sequence[Any], folder: Path, repeats: int) -> list[Figure]:
    """What zenbook takes as a share of what MLflow takes; ``runs`` are in the active workspace's store already.

    Nothing where MLflow's environment is missing. Raises `AssertionError` where the answers differ.
    """
    import zenbook

    if not runs or not PYTHON.is_file():
        return []
    theirs = _asked_mlflow(runs, folder, repeats)
    for name in ("best", "latest"):
        assert zenbook.sql(QUESTIONS[name][1])["id"] == [runs[int(one, 16)][0].id for one in theirs[name]["runs"]], name
    mine = in_turns({name: _timed(query) for name, (_, query) in QUESTIONS.items()}, repeats)
    figures = []
    unit = f"of MLflow {theirs['version']}"
    for name, (about, _) in QUESTIONS.items():
        took, other = mine[name] * 1e3, theirs[name]["ms"]
        detail = f"{took:.1f} ms and {other:.0f} ms: {other / took:.0f} times as fast"
        most = MOST if name in WHOLE else None
        figures.append(Figure(f"{len(runs):,} runs, {about}", took / other, unit, most, detail))
    return figures


def _timed(query: str) -> Callable[[int], float]:
    import zenbook

    def ask(_turn: int) -> float:
        start = time.perf_counter()
        zenbook.sql(query).df()
        return time.perf_counter() - start

    return ask


def _asked_mlflow(runs: Sequence[Any], folder: Path, repeats: int) -> Any:
    file = folder / "runs.jsonl"
    lines = (
        json.dumps(
            {
                "id": f"{number:032x}",
                "name": run.id,
                "at": int(run.created_at * 1000),
                "params": {one.name: json.loads(one.value) for one in params},
                "metrics": {one.name: one.value for one in metrics},
            }
        )
        for number, (run, _, params, metrics) in enumerate(runs)
    )
    file.write_text("\n".join(lines), encoding="utf-8")
    command = [PYTHON, SCRIPT, file, str(repeats)]
    # Nothing of MLflow's own: no telemetry, no settings of the developer's.
    variables = {name: value for name, value in environment().items() if not name.startswith("MLFLOW_")}
    variables |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"MLflow's side failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


__all__ = ["PYTHON", "against_mlflow"]
