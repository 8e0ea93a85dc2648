"""Workers that are tasks of Airflow: told by their environment, they agree on one run and leave it as it should be."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from zenbook import find_run
from zenbook.core.tracing.plan_parameters import with_params
from zenbook.errors import RunError
from zenbook.pipelines.sources import find_target
from zenbook.stack.records import RunQuery
from zenbook.stack.stack import open_stack

PIPELINE = """
from pathlib import Path

from zenbook import log_metrics, pipeline, step

@step
def left(n: int) -> int:
    return n

@step
def right(n: int) -> int:
    return n * 2

@step(retries=1)
def join(a: int, b: int, mode: str) -> str:
    tries = Path("tries")
    tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
    print("try", len(tries.read_text()))
    log_metrics(tried=len(tries.read_text()))
    if mode == "never" or (mode == "second" and len(tries.read_text()) < 2):
        raise ValueError("not yet")
    return f"{a} {b} {mode}"

@step
def after(text: str) -> str:
    return text.upper()

@pipeline
def joining(n: int = 1, mode: str = "first", twice: bool = False) -> None:
    text = join(left(n), right(n), mode)
    after(text)
    if twice:
        after(text)
"""


@pytest.fixture
def project(workspace: Path) -> Iterator[Path]:
    (workspace / "joining.py").write_text(PIPELINE)
    write_plan(workspace)
    yield workspace
    sys.modules.pop("joining", None)


def write_plan(folder: Path) -> None:
    sys.modules.pop("joining", None)
    plan = find_target("joining.py:joining").plan({}, stack=None)
    (folder / "plan.json").write_text(plan.to_json())


def task(name: str, run: str = "manual__1", *, attempt: int = 1, attempts: int = 1, **params: Any) -> Any:
    """Run a task's worker as the DAG does."""
    variables = {
        "DAG": "joining",
        "RUN": run,
        "BEGAN": "2026-11-23 05:20:55.123456+00:00",
        "TASK": name,
        "TRY": str(attempt),
        "TRIES": str(attempts),
        "LOG": f"http://localhost:8080/dags/joining/{run}/{name}",
        "PARAMS": json.dumps({"n": 1, "mode": "first", **params}),
    }
    return subprocess.run(
        [sys.executable, "-m", "zenbook.runs.worker", "plan.json", "--airflow"],
        env={**os.environ, **{f"ZENBOOK_AIRFLOW_{name}": value for name, value in variables.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def all_tasks(run: str, **params: Any) -> list[Any]:
    return [task(name, run, **params) for name in ("left", "right", "join", "after")]


def test_tasks_that_come_first_at_once_agree_on_one_run(project: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(task, ["left", "right"]))
    assert [one.returncode for one in done] == [0, 0], done
    assert task("join").returncode == 0
    last = task("after")
    (record,) = open_stack().metadata.runs(RunQuery())
    run = find_run(record.id)
    assert record.id.startswith("20261123-052055-")
    assert (run.state, record.orchestrator, len(run.steps)) == ("succeeded", "airflow", 4)
    assert run.steps["after"].outputs["output"].load() == "1 2 FIRST"
    (made,) = open_stack().metadata.outputs([run.id], "after")
    assert json.loads(last.stdout.splitlines()[-1]) == {"output": open_stack().artifacts.uri(made.address)}
    assert run.steps["join"].notes == (
        "ran by Airflow: joining / manual__1 / join, try 1: http://localhost:8080/dags/joining/manual__1/join",
    )


def test_another_run_of_airflow_is_another_run_and_its_unchanged_steps_are_cached(project: Path) -> None:
    all_tasks("manual__1")
    done = all_tasks("manual__2")
    assert [one.returncode for one in done] == [0, 0, 0, 0]
    runs = [find_run(one.id) for one in open_stack().metadata.runs(RunQuery())]
    states = [{str(one.state) for one in run.steps.values()} for run in runs]
    assert sorted(states, key=min) == [{"cached"}, {"succeeded"}]
    assert "join: served from the cache, unchanged since run" in done[2].stdout
    assert (project / "tries").read_text() == "x"


def test_an_attempt_that_another_follows_has_not_ended_the_step(project: Path) -> None:
    task("left", mode="second"), task("right", mode="second")
    first = task("join", attempt=1, attempts=2, mode="second")
    run = find_run()
    assert first.returncode == 1
    assert "ValueError: not yet" in first.stderr
    assert (run.state, run.steps["join"].state) == ("running", "running")
    assert task("join", attempt=2, attempts=2, mode="second").returncode == 0
    assert (run.steps["join"].state, run.steps["join"].attempt) == ("succeeded", 2)
    assert run.steps["join"].logs == "try 1\nattempt 1 failed: ValueError: not yet\ntry 2\n"
    assert run.steps["join"].metrics == {"tried": 2.0}
    task("after", mode="second")
    assert find_run().state == "succeeded"


def test_a_step_that_fails_for_good_ends_the_run_and_skips_what_needs_it(project: Path) -> None:
    task("left", mode="never"), task("right", mode="never")
    task("join", attempt=1, attempts=2, mode="never")
    assert task("join", attempt=2, attempts=2, mode="never").returncode == 1
    run = find_run()
    assert (run.state, run.error) == ("failed", "ValueError: not yet")
    assert {name: str(one.state) for name, one in run.steps.items()} == {
        "left": "succeeded",
        "right": "succeeded",
        "join": "failed",
        "after": "skipped",
    }
    assert "raise ValueError" in run.steps["join"].traceback


def test_a_cleared_task_runs_again_in_the_same_run(project: Path) -> None:
    all_tasks("manual__1")
    assert task("join", attempt=2, attempts=2).returncode == 0
    run = find_run()
    assert (project / "tries").read_text() == "xx"
    assert (run.steps["join"].state, run.steps["join"].attempt, run.state) == ("succeeded", 2, "succeeded")
    assert len(open_stack().metadata.runs(RunQuery())) == 1


def test_a_task_that_is_cleared_after_the_mistake_was_fixed_runs_the_new_code(project: Path) -> None:
    for name in ("left", "right", "join"):
        task(name, mode="never")
    (project / "joining.py").write_text(PIPELINE.replace('mode == "never" or', ""))
    write_plan(project)
    assert find_run().state == "failed"
    assert task("join", attempt=2, attempts=2, mode="never").returncode == 0
    assert find_run().state == "running", "what was skipped may follow"
    assert task("after", mode="never").returncode == 0
    run = find_run()
    assert (run.state, run.steps["after"].state) == ("succeeded", "succeeded")
    assert len(open_stack().metadata.runs(RunQuery())) == 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"nn": 2}, "The pipeline 'joining' has no parameter 'nn'."),
        ({"n": "two"}, "The parameter 'n' must be a whole number, not 'two'."),
        ({"n": True}, "The parameter 'n' must be a whole number, not True."),
        ({"mode": 1}, "The parameter 'mode' must be a text, not 1."),
        ({"twice": True}, "The parameter 'twice' of 'joining' is fixed at False"),
    ],
)
def test_an_invalid_parameter_is_refused_before_anything_is_recorded(
    project: Path, params: dict[str, Any], message: str
) -> None:
    done = task("left", **params)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert open_stack().metadata.runs(RunQuery()) == []


def test_a_step_that_runs_with_another_package_reports_it_and_does_not_share_the_cache(project: Path) -> None:
    (project / "joining.py").write_text(PIPELINE.replace("    return n\n", "    import click\n\n    return n\n"))
    write_plan(project)
    all_tasks("manual__1")
    planned = json.loads((project / "plan.json").read_text())
    for capsule in planned["capsules"].values():
        capsule["requirements"] = [[name, "0.0.1"] for name, _ in capsule["requirements"]]
    (project / "plan.json").write_text(json.dumps(planned))
    done = all_tasks("manual__2")
    assert "left: it ran with click" in done[0].stderr
    assert "and was planned with 0.0.1" in done[0].stderr
    again, first = (find_run(one.id) for one in open_stack().metadata.runs(RunQuery()))
    if first.steps["left"].state == "cached":
        again, first = first, again
    assert again.steps["left"].state == "cached", "what it ran with here is what the first run ran with"
    assert any("was planned with 0.0.1" in note for note in again.steps["left"].notes)
    assert not any("was planned" in note for note in again.steps["right"].notes)


def test_a_trigger_changes_parameters_where_they_arrive(project: Path) -> None:
    all_tasks("manual__1", n=21)
    run = find_run()
    assert run.params == {"n": 21, "mode": "first", "twice": False}
    assert run.steps["right"].params == {"n": 21}
    assert run.steps["after"].outputs["output"].load() == "21 42 FIRST"


def test_a_task_that_the_plan_does_not_have_is_an_error(project: Path) -> None:
    done = task("lefft")
    assert done.returncode == 1
    assert "has no step for the task 'lefft'" in done.stderr


def test_without_airflow_the_worker_explains_who_starts_it(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zenbook.runs.worker", "plan.json", "--airflow"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "The environment does not describe a task of Airflow" in done.stderr


# --- parameters ---------------------------------------------------------------------------------------------------

WIRED = """
import datetime
import decimal
from pathlib import Path
from typing import Literal

from zenbook import pipeline, step

@step
def show(*parts, **named) -> str:
    return repr((parts, sorted(named.items())))

@pipeline
def inner(x):
    return show(x, inner=x)

@pipeline
def wired(
    a: int = 1, b: int = 2, c: str = "c", d: float = 0.5, e: bool = True, f: Path = Path("f"), g: tuple = (1, 2),
    h: Literal["one", "two"] = "one", i: int = 3, j: list = [1], k=None, m: datetime.date = datetime.date(2020, 1, 2),
    o: decimal.Decimal = decimal.Decimal("0.1"),
):
    show(a, [b, {"deep": c}], d=d)
    show(b + 1, e=e, f=f, g=g, h=h)
    inner(a)
    show(*[i] * i, j=[one for one in j], k=k, m=m, o=o)
"""


def test_parameters_that_only_pass_through_can_be_changed(workspace: Path) -> None:
    (workspace / "wired.py").write_text(WIRED)
    runnable = find_target("wired.py:wired")
    plan = runnable.plan({}, stack=None)
    assert set(plan.bindings) == {"a", "c", "d", "e", "f", "g", "h", "k", "m", "o"}
    given = {"a": 7, "c": "{{ c }}", "d": 2, "e": False, "f": "other", "g": [3], "h": "two", "m": "2021-02-03"}
    changed = with_params(plan, given)
    again = runnable.pipeline.plan(  # type: ignore[attr-defined]
        a=7, c="{{ c }}", d=2.0, e=False, f=Path("other"), g=(3,), h="two", m=datetime.date(2021, 2, 3)
    )
    assert changed.params == again.params
    assert [node.arguments for node in changed.graph] == [node.arguments for node in again.graph]
    with pytest.raises(RunError, match="The parameter 'm' cannot be 'soon'"):
        with_params(plan, {"m": "soon"})
    with pytest.raises(RunError, match="fixed at 2"):
        with_params(plan, {"b": 3})
    assert with_params(plan, {"b": 2}) == plan
    sys.modules.pop("wired")
