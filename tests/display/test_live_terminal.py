"""The bar of a shell, on a real pseudo-terminal; without one, plain lines."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, time
import zenbook
from zenbook import pipeline, step
from zenbook.display.live_terminal import shell_progress
from zenbook.engine.progress_displays import watch_runs_with

@step(cache=False)
def fit(n: int = 6):
    for one in zenbook.track(range(n), label="epochs"):
        time.sleep(0.15)
    print("fitted")
    return n

@step(cache=False)
def score(x):
    return x / 8

@pipeline
def training():
    score(fit())

watch_runs_with(lambda view: shell_progress(view, sys.stderr))
training()
"""


def on_terminal(folder: Path, **streams: int) -> str:
    """What appears on a terminal when the script runs with some of its streams there."""
    (folder / "script.py").write_text(SCRIPT)
    here, there = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "PYTHONPATH": str(Path(__file__).parents[2])}
    redirected = {name: there if stream else subprocess.DEVNULL for name, stream in streams.items()}
    process = subprocess.Popen([sys.executable, "script.py"], cwd=folder, env=environment, **redirected)
    os.close(there)
    output = b""
    try:
        while piece := os.read(here, 65536):
            output += piece
    except OSError:  # the other end is closed
        pass
    os.close(here)
    assert process.wait(60) == 0, output.decode()
    return output.decode()


def test_a_terminal_shows_a_bar_and_then_lines(tmp_path: Path) -> None:
    output = on_terminal(tmp_path, stdout=1, stderr=1)
    assert "fit epochs" in output
    assert "0/2" in output
    assert "of 6" in output
    assert "fitted" in output
    last = output.rpartition("\x1b[2K")[2]
    assert "✓" in output
    assert "2 ran" in last, "the bar is gone, the totals stay"
    assert "━" not in last


def test_what_steps_print_to_a_file_stays_out_of_the_terminal(tmp_path: Path) -> None:
    output = on_terminal(tmp_path, stdout=0, stderr=1)
    assert "fit epochs" in output
    assert "fitted" not in output


def test_elsewhere_there_are_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "fitted\n"
    assert [line.split()[1] for line in done.stderr.splitlines()[:2]] == ["fit", "score"]
    assert "\x1b" not in done.stderr
