import io
import re
import subprocess
import sys

import pytest

from zenbook.core.events import Logged, Measured, RunFinished, RunStarted, StepFinished, StepRetried, StepStarted
from zenbook.core.states import RunState, StepState
from zenbook.display.run_view import RunView, StepView
from zenbook.display.terminal import TerminalProgress

RUN = "20261123-052055-k3f9a"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def view():
    return RunView(RUN, "training", steps={name: StepView(name) for name in ("load", "データ")})


def written(stream, *events):
    progress = TerminalProgress(view(), stream)
    for event in events:
        progress.on_event(event)
    return stream.getvalue()


EVENTS = (
    RunStarted(RUN, at=1.0),
    StepFinished(RUN, "load", StepState.CACHED, 1, 1.0, at=1.0),
    StepStarted(RUN, "データ", at=1.0),
    StepRetried(RUN, "データ", 1, "OSError: gone\nfor good", 2.0),
    StepStarted(RUN, "データ", attempt=2, at=1.0),
    Measured(RUN, "データ", "accuracy", 0.95614035),
    StepFinished(RUN, "データ", StepState.SUCCEEDED, 2, 1.0, notes=("[red]odd[/red]",), at=1.012),
    RunFinished(RUN, RunState.SUCCEEDED, at=2.2),
)
LINES = [
    "  ↺ load    cached",
    "  … データ: attempt 1 failed: OSError: gone ⏎ for good; again in 2.0 s",
    "  ✓ データ  succeeded       12 ms  attempt 2",
    "      note: [red]odd[/red]",
    f"training {RUN} succeeded in 1.2 s · 2 steps: 1 ran, 1 cached",
    "  accuracy 0.9561",
]


def test_each_finished_step_is_a_line_and_totals_follow():
    assert written(io.StringIO(), *EVENTS).splitlines() == LINES


def test_a_terminal_gets_the_same_in_colours(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    coloured = written(Terminal(), *EVENTS)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines() == LINES


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_line_that_a_step_left_open_is_ended_first(stream, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    shared = stream()
    progress = TerminalProgress(view(), shared)
    shared.write("loading")
    progress.on_event(Logged(RUN, "load", "stdout", "loading"))
    progress.on_event(Logged(RUN, "load", "log", "INFO x: y\n"))
    progress.on_event(StepFinished(RUN, "load", StepState.FAILED, 1, 1.0, at=1.5))
    progress.on_event(StepFinished(RUN, "データ", StepState.SKIPPED))
    plain = re.sub(r"\x1b\[[\d;]*m", "", shared.getvalue())
    assert plain.splitlines() == ["loading", "  ✗ load    failed         500 ms", "  – データ  skipped"]


def test_a_failed_run_ends_with_its_error():
    shown = written(io.StringIO(), RunStarted(RUN, at=1.0), RunFinished(RUN, RunState.FAILED, "ValueError: x", at=2.0))
    assert shown.splitlines()[-1] == "  ValueError: x"


def test_other_runs_are_not_shown():
    assert written(io.StringIO(), StepFinished("other", "load", StepState.CACHED)) == ""


def test_prints_of_steps_and_progress_come_in_order_in_one_file(tmp_path):
    """With stdout and stderr in one file, as in CI, where stdout is buffered and stderr is not."""
    code = f"""
import sys
from zenbook.core.events import *
from zenbook.core.states import StepState
from zenbook.display.terminal import TerminalProgress
from zenbook.display.run_view import RunView
assert "rich" not in sys.modules
progress = TerminalProgress(RunView("{RUN}", "training"), sys.stderr)
for at in range(3):
    print("print", at)
    progress.on_event(Logged("{RUN}", f"s{{at}}", "stdout", f"print {{at}}\\n"))
    progress.on_event(StepFinished("{RUN}", f"s{{at}}", StepState.CACHED))
assert "rich" not in sys.modules
"""
    both = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "utf-8"},
    ).stdout  # fmt: skip
    assert [line.split()[-2:] for line in both.splitlines()] == [
        words for at in range(3) for words in (["print", str(at)], [f"s{at}", "cached"])
    ]
