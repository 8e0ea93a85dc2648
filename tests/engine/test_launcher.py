"""What becomes of a run: states, retries, timeouts, exceptions, async steps, interrupts."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
import traceback
from pathlib import Path
from typing import Annotated

import pytest

import zenbook
from tests.scripts import Started, run_script, write_script
from zenbook import find_run, pipeline, step
from zenbook.errors import StepTimeoutError, StoreError, ZenbookError
from zenbook.stack.stack import open_stack

pytestmark = pytest.mark.usefixtures("workspace")


@step
def one() -> int:
    return 1


@step
def double(x: int) -> int:
    return 2 * x


@step
def divide(x: int, by: int = 0) -> int:
    return x // by


@pipeline
def doubling() -> None:
    double(double(one()))


@pipeline
def failing(by: int = 0) -> None:
    double(one())
    double(divide(one(), by))


def test_a_run_succeeds_and_says_how_long_it_took() -> None:
    run = doubling()
    assert run.state == "succeeded"
    assert 0 < run.duration.total_seconds() < 10
    assert [one.state for one in run.steps.values()] == ["succeeded"] * 3
    assert all(0 <= one.seconds <= run.duration.total_seconds() for one in run.steps.values())
    assert [one.attempt for one in run.steps.values()] == [1, 1, 1]


def test_a_step_used_twice_has_a_name_for_each_use() -> None:
    run = doubling()
    assert list(run.steps) == ["one", "double", "double_2"]
    assert run.steps["double_2"].outputs["output"].load() == 4


def test_what_succeeded_is_cached_the_next_time() -> None:
    first = doubling()
    second = doubling()
    assert {one.state for one in second.steps.values()} == {"cached"}
    assert second.steps["double"].why == f"unchanged since run {first.id}"
    assert second.steps["double"].outputs["output"].load() == 2


def test_options_of_a_run() -> None:
    doubling()
    assert doubling.options(cache=False)().steps["one"].state == "succeeded"
    assert doubling.options(name="other")().pipeline == "other"
    with pytest.raises(ZenbookError, match="Unknown stack 'prod'"):
        doubling.options(stack="prod")()


def test_an_exception_fails_the_run_keeps_what_finished_and_skips_the_rest() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        failing()
    run = find_run("latest")
    assert run.state == "failed"
    assert run.error == "ZeroDivisionError: integer division or modulo by zero"
    assert {name: str(one.state) for name, one in run.steps.items()} == {
        "one": "succeeded", "double": "succeeded", "one_2": "cached", "divide": "failed", "double_2": "skipped",
    }  # fmt: skip
    assert run.steps["double"].outputs["output"].load() == 2
    assert run.steps["double_2"].why == "step 'divide' did not succeed"
    assert f"in run {run.id} of 'failing'" in raised.value.__notes__
    mended = failing(by=2)
    assert [str(one.state) for one in mended.steps.values()] == ["cached", "cached", "cached", "succeeded", "succeeded"]


def test_the_traceback_holds_the_users_frames_only() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        failing()
    files = {frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)}
    assert files == {__file__}
    recorded = find_run().steps["divide"].traceback
    assert "return x // by" in recorded
    assert "/zenbook/runs/" not in recorded


@step
async def raises_while_awaited() -> int:
    await asyncio.sleep(0.001)
    raise LookupError("here")


@step
async def awaits(x: int = 2) -> int:
    await asyncio.sleep(0.001)
    print("awaited")
    return x + 1


def test_an_async_step_is_awaited_and_captured() -> None:
    @pipeline
    def awaiting() -> None:
        double(awaits())

    run = awaiting()
    assert run.steps["double"].outputs["output"].load() == 6
    assert run.steps["awaits"].logs == "awaited\n"


def test_an_async_step_runs_where_an_event_loop_runs_already() -> None:
    @pipeline
    def awaiting() -> None:
        awaits()

    async def cell() -> object:
        return awaiting()

    assert asyncio.run(cell()).state == "succeeded"


def test_the_traceback_of_an_async_step_is_the_users_own() -> None:
    @pipeline
    def awaiting() -> None:
        raises_while_awaited()

    with pytest.raises(LookupError):
        awaiting()
    recorded = find_run().steps["raises_while_awaited"].traceback
    assert "raise LookupError" in recorded
    assert "asyncio" not in recorded.replace("await asyncio", "")


@step(retries=2, retry_delay=0.01)
def flaky(counter: str) -> int:
    from pathlib import Path

    file = Path(counter)
    tries = int(file.read_text() or "0") + 1 if file.exists() else 1
    file.write_text(str(tries))
    if tries < 3:
        raise ConnectionError(f"try {tries}")
    return tries


def test_a_step_is_tried_again_with_growing_pauses(tmp_path: Path) -> None:
    @pipeline
    def trying(counter: str) -> None:
        flaky(counter)

    began = time.monotonic()
    run = trying(str(tmp_path / "tries"))
    assert time.monotonic() - began >= 0.03  # 0.01 + 0.02
    assert run.steps["flaky"].attempt == 3
    assert run.steps["flaky"].logs == (
        "attempt 1 failed: ConnectionError: try 1\nattempt 2 failed: ConnectionError: try 2\n"
    )


def test_a_step_that_fails_each_time_fails_with_the_last_exception(tmp_path: Path) -> None:
    @pipeline
    def trying(counter: str) -> None:
        flaky.options(retries=1)(counter)

    with pytest.raises(ConnectionError, match="try 2"):
        trying(str(tmp_path / "tries"))
    assert find_run().steps["flaky"].attempt == 2


@step(timeout="200ms")
def sleeps() -> int:
    import time

    try:
        time.sleep(30)
    except Exception as error:  # a timeout is not the step's own exception
        print(error)
    return 1


@step(timeout=0.2)
def spins() -> int:
    while True:
        pass


@pipeline
def sleeping() -> None:
    sleeps()


@pipeline
def spinning() -> None:
    spins()


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_timeout_ends_a_step(in_thread: bool) -> None:
    errors: list[BaseException] = []

    def attempt() -> None:
        try:
            spinning()
        except BaseException as error:
            errors.append(error)

    began = time.monotonic()
    if in_thread:
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join(20)
    else:
        attempt()
    assert time.monotonic() - began < 10
    assert [type(error) for error in errors] == [StepTimeoutError]
    assert find_run().steps["spins"].state == "failed"
    assert find_run().error.startswith("StepTimeoutError: Step 'spins' took longer than its timeout of 0.2 s")


def test_a_timeout_ends_a_wait_and_no_except_of_the_step_swallows_it() -> None:
    with pytest.raises(StepTimeoutError):
        sleeping()
    assert find_run().state == "failed"


@step
def leaves() -> int:
    import sys

    sys.exit(0)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@step
def raises_unspeakable() -> int:
    raise Unspeakable


def test_a_step_that_exits_fails_and_python_keeps_running() -> None:
    @pipeline
    def leaving() -> None:
        leaves()

    with pytest.raises(ZenbookError, match="asked Python to exit"):
        leaving()
    assert find_run().steps["leaves"].state == "failed"


def test_an_exception_that_cannot_be_printed_is_recorded() -> None:
    @pipeline
    def raising() -> None:
        raises_unspeakable()

    with pytest.raises(Exception) as raised:
        raising()
    assert type(raised.value).__name__ == "Unspeakable"
    assert find_run().state == "failed"
    assert find_run().error == "Unspeakable: (its message cannot be read)"


def test_a_step_gives_a_wrong_number_of_outputs(workspace: Path) -> None:
    @pipeline
    def wrong() -> None:
        gives_one()

    with pytest.raises(ZenbookError, match="has the outputs a, b, but returned int"):
        wrong()
    assert find_run().steps["gives_one"].state == "failed"


@step
def gives_one() -> tuple[Annotated[int, "a"], Annotated[int, "b"]]:
    return 1  # type: ignore[return-value]


def test_two_threads_run_pipelines_at_once_and_main_stays_main() -> None:
    import sys

    main = sys.modules["__main__"]
    runs: list[object] = []
    threads = [threading.Thread(target=lambda: runs.append(doubling.options(cache=False)())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [run.state for run in runs] == ["succeeded"] * 4
    assert sys.modules["__main__"] is main
    assert len(zenbook.runs()) == 4


# --- interrupts -------------------------------------------------------------------------------------------------------

INTERRUPTED = """
@step
def first() -> int:
    return 1

@step
def busy(x: int, how: str) -> int:
    print("busy", flush=True)
    if how == "sleep":
        time.sleep(600)
    while True:
        x += 1

@step
def after(x: int) -> int:
    return x

@pipeline
def interrupted(how: str):
    after(busy(first(), how))

if __name__ == "__main__":
    try:
        interrupted(sys.argv[1])
    except KeyboardInterrupt:
        print("cancelled", flush=True)
        raise
"""


@pytest.mark.parametrize(("how", "number"), [("sleep", signal.SIGINT), ("spin", signal.SIGINT)])
def test_an_interrupt_cancels_a_step_that_would_go_on_for_long(workspace: Path, how: str, number: int) -> None:
    with Started(write_script(workspace, INTERRUPTED), how) as script:
        script.wait_for("busy")
        script.process.send_signal(number)
        _, out, _ = script.end()
    assert out.split()[-1] == "cancelled"
    run = find_run()
    assert (run.state, run.error) == ("cancelled", "interrupted")
    assert [str(one.state) for one in run.steps.values()] == ["succeeded", "cancelled", "skipped"]


def test_another_process_cancels_a_run(workspace: Path) -> None:
    with Started(write_script(workspace, INTERRUPTED), "sleep") as script:
        script.wait_for("busy")
        run = find_run()
        assert run.state == "running"
        with pytest.raises(ZenbookError, match="still running after 0"):
            run.wait(timeout=0)
        with pytest.raises(ZenbookError, match="has not ended"):
            run.resume()
        run.cancel()
        assert run.wait(timeout=20).state == "cancelled"
        script.end()
    with pytest.raises(ZenbookError, match="it is cancelled"):
        run.cancel()


IGNORES = """
import signal, subprocess
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.argv[1], [sys.argv[1], *sys.argv[2:]])
"""


def test_a_run_that_a_shell_started_in_the_background_is_cancelled_too(workspace: Path) -> None:
    import sys

    write_script(workspace, INTERRUPTED, "work.py")
    zen = str(Path(sys.executable).parent / "zen")
    with Started(write_script(workspace, IGNORES), zen, "run", "work.py", "-p", "how=sleep") as script:
        script.wait_for("busy")
        find_run().cancel()
        assert script.end()[0] == 130
    assert find_run().state == "cancelled"


BETWEEN = """
import signal
from zenbook.engine.steps import step_runner
from zenbook.engine.run_end import RunEnd
from zenbook.engine.run_records import RunRows

@step
def first() -> int:
    return 1

@step
def second(x: int) -> int:
    return x

@pipeline
def quick():
    second(first())

def interrupt_before(owner, name, when=lambda *args: True):
    actual = getattr(owner, name)
    def replaced(*args, **kwargs):
        if when(*args):
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):
                pass  # the interrupt would land here
        return actual(*args, **kwargs)
    setattr(owner, name, replaced)

if __name__ == "__main__":
    where = sys.argv[1]
    if where == "between":
        interrupt_before(step_runner._StepRun, "prepare", lambda step_run: step_run.node.name == "second")
    elif where == "end of step":
        from zenbook.engine.recorder import Recorder
        interrupt_before(Recorder, "_finished", lambda self, event: event.step == "second")
    elif where == "end of run":
        interrupt_before(RunEnd, "update")
    elif where == "start of run":
        interrupt_before(RunRows, "create_run")
    try:
        quick()
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize(
    ("where", "state", "steps"),
    [
        ("between", "cancelled", ["succeeded", "cancelled"]),
        ("end of step", "cancelled", ["succeeded", "succeeded"]),
        ("end of run", "succeeded", ["succeeded", "succeeded"]),
        ("start of run", "cancelled", ["skipped", "skipped"]),
    ],
)
def test_an_interrupt_at_an_awkward_moment_leaves_whole_records(
    workspace: Path, where: str, state: str, steps: list[str]
) -> None:
    done = run_script(write_script(workspace, BETWEEN), where)
    assert done.stdout == "interrupted\n", done.stderr
    run = find_run()
    assert run.state == state
    assert [str(one.state) for one in run.steps.values()] == steps
    for one in run.steps.values():
        if one.state == "succeeded":
            assert one.outputs["output"].load() == 1


def test_a_metadata_store_that_fails_does_not_hide_the_steps_exception() -> None:
    store = open_stack().metadata
    actual = store.write

    def write(batch: object) -> None:
        if any(one.state == "failed" for one in (*batch.steps, *batch.runs)):
            raise StoreError("The database is away.")
        actual(batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "write", write)
        with pytest.raises(ZeroDivisionError) as raised:
            failing()
    assert any("The database is away" in one for one in raised.value.__notes__)
    assert find_run().state == "crashed"
    assert find_run().error == "its end could not be recorded"
