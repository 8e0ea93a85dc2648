"""What a step prints and logs is in its log and still shown; what others print is not."""

from __future__ import annotations

import io
import logging
import sys
import threading
from pathlib import Path

import pytest

from tests.scripts import Started, run_script, write_script
from zenbook import find_run, pipeline, step
from zenbook.engine.steps.output_capture import also, proxied_streams, recorded


class Notes:
    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []

    def __call__(self, stream: str, text: str) -> None:
        self.entries.append((stream, text))

    def of(self, stream: str) -> str:
        return "".join(text for one, text in self.entries if one == stream)


def test_prints_are_recorded_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    notes = Notes()
    with proxied_streams(), recorded(notes):
        print("out", 1)
        print("err", file=sys.stderr)
    assert (notes.of("stdout"), notes.of("stderr")) == ("out 1\n", "err\n")
    assert capsys.readouterr() == ("out 1\n", "err\n")


def test_the_streams_are_put_back_however_runs_overlap() -> None:
    before = sys.stdout, sys.stderr
    first, second = proxied_streams(), proxied_streams()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    notes = Notes()
    with recorded(notes):
        print("once")
    second.__exit__(None, None, None)
    assert notes.of("stdout") == "once\n"
    assert (sys.stdout, sys.stderr) == before


def test_prints_of_other_threads_stay_out() -> None:
    notes = Notes()
    with proxied_streams(), recorded(notes):
        other = threading.Thread(target=print, args=("from elsewhere",))
        other.start()
        other.join()
        print("from here")
    assert notes.of("stdout") == "from here\n"


def test_a_stream_that_the_step_redirects_is_the_steps_own() -> None:
    from contextlib import redirect_stdout

    notes, mine = Notes(), io.StringIO()
    with proxied_streams(), recorded(notes):
        with redirect_stdout(mine):
            print("mine")
        print("shown")
    assert (notes.of("stdout"), mine.getvalue()) == ("shown\n", "mine\n")


def test_a_second_sink_hears_the_same_at_once() -> None:
    first, second = Notes(), Notes()
    with proxied_streams(), recorded(first), also(second):
        print("both")
        assert second.of("stdout") == "both\n"
    assert first.of("stdout") == "both\n"


def test_what_was_printed_is_passed_on_while_the_step_is_busy() -> None:
    heard = threading.Event()
    with proxied_streams(), recorded(lambda stream, text: heard.set()):
        print("working")
        assert heard.wait(20)


def test_many_threads_of_one_step_lose_no_line() -> None:
    import contextvars

    notes = Notes()
    with proxied_streams(), recorded(notes):
        threads = [
            threading.Thread(
                target=contextvars.copy_context().run, args=(lambda k=k: [print(f"<{k}>") for _ in range(300)],)
            )
            for k in range(6)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert [notes.of("stdout").count(f"<{k}>") for k in range(6)] == [300] * 6


# --- logging --------------------------------------------------------------------------------------------------------


@pytest.fixture
def logger() -> logging.Logger:
    made = logging.getLogger("a.library")
    made.handlers.clear()
    made.propagate = True
    made.setLevel(logging.INFO)
    return made


def test_messages_go_to_the_log_and_to_handlers_made_before(logger: logging.Logger) -> None:
    shown, notes = io.StringIO(), Notes()
    logger.addHandler(logging.StreamHandler(shown))
    with proxied_streams(), recorded(notes):
        logger.info("loss %.1f", 0.5)
    assert notes.entries == [("log", "INFO a.library: loss 0.5\n")]
    assert shown.getvalue() == "loss 0.5\n"


def test_a_handler_made_in_the_step_records_nothing_twice(logger: logging.Logger) -> None:
    notes = Notes()
    with proxied_streams(), recorded(notes):
        logger.addHandler(logging.StreamHandler(sys.stderr))
        logger.propagate = False
        logger.warning("once")
    assert notes.entries == [("log", "WARNING a.library: once\n")]


def test_an_exception_is_logged_with_its_traceback(logger: logging.Logger) -> None:
    notes = Notes()
    with proxied_streams(), recorded(notes):
        try:
            raise ValueError("bad")
        except ValueError:
            logger.exception("it failed")
    assert "ERROR a.library: it failed\nTraceback" in notes.of("log")
    assert "ValueError: bad" in notes.of("log")


def test_a_message_that_does_not_fit_its_arguments_ends_nothing(logger: logging.Logger) -> None:
    notes = Notes()
    with proxied_streams(), recorded(notes):
        logger.propagate = False  # pytest's own handler raises
        logger.addHandler(logging.NullHandler())
        logger.warning("%d", "text")
    assert notes.of("log") == "WARNING a.library: %d\n"


def test_a_factory_that_somebody_wraps_around_ours_tells_once(logger: logging.Logger) -> None:
    actual, notes = logging.getLogRecordFactory(), Notes()
    try:
        with proxied_streams():
            pass
        ours = logging.getLogRecordFactory()
        logging.setLogRecordFactory(lambda *args, **kwargs: ours(*args, **kwargs))
        with proxied_streams(), recorded(notes):
            logger.warning("once")
    finally:
        logging.setLogRecordFactory(actual)
    assert notes.entries == [("log", "WARNING a.library: once\n")]


LOGGING = """
import logging

@step
def logs() -> int:
    logging.getLogger("quiet").info("not enabled")
    logging.getLogger("loud").warning("the last resort shows this")
    logging.basicConfig(level=logging.INFO, format="basic %(message)s", stream=sys.stdout)
    logging.getLogger("loud").info("as configured")
    return 1

@pipeline
def logging_pipeline():
    logs()

if __name__ == "__main__":
    print(repr(logging_pipeline().logs))
"""


def test_the_last_resort_and_basic_config_work_as_without_zenbook(workspace: Path) -> None:
    done = run_script(write_script(workspace, LOGGING))
    assert done.stderr == "the last resort shows this\n"
    shown, recorded_text = done.stdout.splitlines()
    assert shown == "basic as configured"
    assert eval(recorded_text) == "WARNING loud: the last resort shows this\nINFO loud: as configured\n"


FORKS = """
import multiprocessing

def child(number):
    print(f"child {number}", flush=True)
    log_metrics(ignored=number)
    return number

@step
def forks() -> int:
    print("before")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = sum(pool.map(child, range(8)))
    log_metrics(found=found)
    print("after")
    return found

@pipeline
def forking():
    forks()

if __name__ == "__main__":
    run = forking()
    print(repr(run.logs), run.metrics)
"""


def test_forked_children_print_and_disturb_no_record(workspace: Path) -> None:
    done = run_script(write_script(workspace, FORKS))
    assert done.stdout.splitlines()[-1] == "'before\\nafter\\n' {'found': 28.0, 'forks': 28.0}", done.stderr
    assert done.stdout.count("child ") == 8


SILENT = """
@step
def prints_and_waits() -> int:
    print("one line", flush=True)
    time.sleep(60)
    return 1

@pipeline
def waiting():
    prints_and_waits()

if __name__ == "__main__":
    waiting()
"""


def test_another_process_reads_what_a_busy_step_printed_and_a_kill_leaves_it(workspace: Path) -> None:
    from zenbook import runs

    with Started(write_script(workspace, SILENT)) as script:
        script.wait_for("one line")
        run, pause = runs()[0], threading.Event()
        for _ in range(400):
            if run.logs:
                break
            pause.wait(0.05)
        assert run.logs == "one line\n"
        script.process.kill()
        script.process.wait()
    assert run.state == "crashed"
    assert find_run().logs == "one line\n"


@step
def talks(n: int) -> int:
    for k in range(n):
        print(k)
    return n


def test_a_step_that_prints_much_is_recorded_whole(workspace: Path) -> None:
    @pipeline
    def talking() -> None:
        talks(20_000)

    assert talking().steps["talks"].logs == "".join(f"{k}\n" for k in range(20_000))


def test_of_a_line_that_is_rewritten_the_last_state_is_recorded() -> None:
    notes, passing = Notes(), []
    with proxied_streams(), recorded(notes, passing.append):
        print("before")
        for one in range(5):
            print(f"\r{one} of 4", end="", file=sys.stderr)
        print(file=sys.stderr)
        print("after\r\nand more")
    assert notes.of("stdout") == "before\nafter\nand more\n"
    assert notes.of("stderr") == "4 of 4\n"


def test_a_line_that_is_rewritten_slowly_is_one_line_too_and_is_passed_on() -> None:
    notes, passing = Notes(), []
    seen = threading.Event()

    def pass_on(line: str) -> None:
        passing.append(line)
        seen.set()

    with proxied_streams(), recorded(notes, pass_on):
        for one in range(3):
            seen.clear()
            print(f"\r{one} of 2", end="")
            assert seen.wait(10)
    assert passing[:3] == ["0 of 2", "1 of 2", "2 of 2"]
    assert notes.of("stdout") == "2 of 2\n"


def test_bytes_are_refused_as_any_text_stream_refuses_them() -> None:
    lines: list[str] = []
    with proxied_streams(), recorded(lambda _, text: lines.append(text)):
        with pytest.raises(TypeError):  # so click finds out what kind of stream it has
            sys.stdout.write(b"")  # type: ignore[arg-type]
        print("text")
    assert "".join(lines) == "text\n"
