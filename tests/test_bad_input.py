"""Bad input gets one clear sentence and a way out, and loses nothing. Disks and stores: `test_nothing_is_lost.py`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

import zenbook
from tests.scripts import run_script, write_script
from zenbook import find_run, log_metrics, pipeline, step
from zenbook.core.step import STEP_NAME_LIMIT
from zenbook.errors import ZenbookError

pytestmark = pytest.mark.usefixtures("workspace")

LONG = "n" * STEP_NAME_LIMIT


@step
def one(x: int = 1) -> int:
    return x


@step
def two(x: int) -> tuple[Annotated[int, "low"], Annotated[int, "high"]]:
    return x, x + 1


@step
def gives_a_lock(x: int) -> Any:
    import threading

    return threading.Lock()


@step
def gives_rows(x: int) -> Any:
    return (n for n in range(x))


@step
def gives_none(x: int) -> None:
    pass


@step
def logs_text(x: int) -> int:
    log_metrics(loss="low")
    return x


@step
def says_text(x: int) -> str:
    return x  # type: ignore[return-value]


@pipeline
def locking() -> None:
    gives_a_lock(one())


@pipeline
def streaming() -> None:
    gives_rows(one())


@pipeline
def measuring() -> None:
    logs_text(one())


@pipeline
def mistyped() -> None:
    says_text(one())


@pipeline
def typed(rows: int = 1) -> None:
    one(rows)


@pipeline
def empty() -> None:
    pass


@pipeline
def misnamed() -> None:
    one(y=1)


@pipeline
def missing() -> None:
    two()


@pipeline
def unpacked() -> None:
    a, b, c = two(1)


@pipeline
def branching() -> None:
    if one() > 1:
        two(1)


@pipeline
def refusing(file: Path) -> None:
    one(file)


BEFORE_ANYTHING_RUNS: list[tuple[str, Callable[[], Any], str, str]] = [
    ("an unknown argument of a pipeline", lambda: typed(rwos=2), "has no argument 'rwos'", "Did you mean 'rows'?"),
    ("an argument of another type", lambda: typed("many"), "takes int as `rows`, but gets str", "Pass a value"),
    ("an unknown argument of a step", misnamed, "has no argument 'y'", "Known arguments: x"),
    ("a missing argument", missing, "missing a required argument: 'x'", "two(x"),
    ("another number of outputs", unpacked, "a different number of outputs than it has", "Name all outputs"),
    ("an output as a Python value", branching, "its output cannot be used as a value", "do this inside"),
    ("an empty pipeline", empty, "has no steps", "Call at least one"),
    ("an unknown option of a pipeline", lambda: typed.options(stak="x"), "Unknown option 'stak'", "Did you mean 'stack'?"),
    ("an unknown option of a step", lambda: one.options(retry=2), "Unknown option 'retry'", "Did you mean"),
    ("an unknown stack", lambda: typed.options(stack="defualt")(), "Unknown stack 'defualt'", "Did you mean 'default'?"),
    ("a name that is too long", lambda: typed.options(name=LONG + "n"), "cannot have the name", f"1 to {STEP_NAME_LIMIT}"),
    ("a name of nothing", lambda: typed.options(name=" "), "cannot have the name ' '", "printable"),
    ("a name with a line end", lambda: one.options(name="a\nb"), "cannot have the name", "printable"),
    ("a step as a pipeline", lambda: pipeline(one), "@pipeline needs a function, and got a step", "by name"),
    ("a class as a step", lambda: step(3), "@step needs a function, and got int", "by name"),
    ("a timeout that is not a duration", lambda: one.options(timeout="soon"), "which is not a duration", "'90s'"),
    ("a negative number of retries", lambda: one.options(retries=-1), "is -1", "0, 1, 2"),
    ("outputs of one name", lambda: one.options(outputs=("a", "a")), "different names", "own name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("act", "message", "hint"), [pytest.param(*row[1:], id=row[0]) for row in BEFORE_ANYTHING_RUNS]
)
def test_a_mistake_is_told_before_anything_runs(act: Callable[[], Any], message: str, hint: str) -> None:
    with pytest.raises(ZenbookError) as raised:
        act()
    assert message in raised.value.message
    assert hint in raised.value.hint + raised.value.message
    assert raised.value.hint
    assert "\n" not in raised.value.message
    assert len(zenbook.runs()) == 0


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (locking, "The output 'output' of step 'gives_a_lock' cannot be stored"),
        (streaming, "The output 'output' of step 'gives_rows' cannot be stored"),
        (measuring, "The metric 'loss' is str, which is not a number"),
        (mistyped, "Step 'says_text' returned int as its output 'output', but its annotation says str"),
    ],
)
def test_a_mistake_within_a_run_keeps_what_finished(act: Callable[[], Any], message: str) -> None:
    with pytest.raises(ZenbookError) as raised:
        act()
    assert message in raised.value.message
    assert raised.value.hint
    run = find_run()
    assert run.state == "failed"
    assert message in run.error
    assert [str(one.state) for one in run.steps.values()] == ["succeeded", "failed"]
    assert run.steps["one"].outputs["output"].load() == 1


def test_a_step_may_give_none() -> None:
    @pipeline
    def giving() -> None:
        gives_none(one())

    run = giving()
    assert run.steps["gives_none"].outputs["output"].load() is None
    assert giving().steps["gives_none"].state == "cached"


NAMES = ["größe", "模型", "a b/c:d", "sum", "print", "🙂", LONG, "'; drop table runs; --", "%s {x}", "../up", "-x"]


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_of_steps_and_pipelines_work(name: str) -> None:
    named = one.options(name=name)

    @pipeline
    def naming() -> None:
        named(named(3))

    run = naming.options(name=name)()
    assert next(iter(run.steps)) == name
    assert run.steps[name].outputs["output"].load() == 3
    assert naming.options(name=name)().steps[name].state == "cached"
    assert find_run(name).pipeline == name
    assert run.id in repr(run)
    assert "<script" not in run._repr_html_()
    assert len(zenbook.runs(pipeline=name)) == 2


@step
def sum(values: list[int]) -> int:  # noqa: A001
    total = 0
    for value in values:
        total += value
    return total


@step
def zählen(größe: int = 3) -> Annotated[int, "änderung"]:
    return größe


@pipeline
def verschlüsselt(größe: int = 4) -> None:
    sum([zählen(größe), 1])


def test_a_step_may_shadow_a_builtin_and_names_need_not_be_ascii() -> None:
    run = verschlüsselt()
    assert run.steps["sum"].outputs["output"].load() == 5
    assert run.steps["zählen"].outputs["änderung"].load() == 4
    assert run.params == {"größe": 4}
    assert run.metrics == {"änderung": 4.0, "sum": 5.0}


def test_a_folder_with_odd_characters(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = workspace / "größe 100% #1 ?x=1"
    odd.mkdir()
    monkeypatch.chdir(odd)
    assert typed().state == "succeeded"
    assert (odd / ".zen" / "metadata.sqlite").exists()


REDEFINED = """
import threading
going, redefined = threading.Event(), threading.Event()

@step
def first() -> int:
    print("first runs", flush=True)
    time.sleep(float(sys.argv[1]))
    return 1

@step
def second(x: int) -> int:
    return x + 1

@pipeline
def both():
    second(first())

if __name__ == "__main__":
    plan = both.plan()
    old = both
    @step
    def second(x: int) -> int:
        return x + 100

    from zenbook.engine.launcher import launch
    from zenbook.stack.stack import open_stack
    run = zenbook.Run(launch(plan, open_stack()), open_stack())
    print(run.steps["second"].outputs["output"].load())
    print(both().steps["second"].outputs["output"].load())
"""


def test_a_step_that_is_redefined_while_a_run_goes_on_runs_as_it_was(workspace: Path) -> None:
    done = run_script(write_script(workspace, REDEFINED), "0")
    assert done.stdout.split()[-2:] == ["2", "101"], done.stderr


def test_a_run_that_is_interrupted_by_a_mistake_leaves_the_streams_alone() -> None:
    import sys

    before = sys.stdout, sys.stderr, threading.active_count()
    with pytest.raises(ZenbookError):
        locking()
    assert (sys.stdout, sys.stderr) == before[:2]
