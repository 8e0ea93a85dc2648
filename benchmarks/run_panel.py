"""What the run panel costs a run: a real kernel that believes it belongs to a Jupyter server."""

from __future__ import annotations

import json
import os
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, environment

_SETUP = """
%load_ext zenbook
import json, statistics, time
import zenbook.notebook
from zenbook import pipeline, step
from zenbook.engine import progress_displays

@step(cache=False)
def inc(x: int) -> int:
    time.sleep(0.002)
    return x + 1

@pipeline
def chain(n: int):
    x = 0
    for _ in range(n):
        x = inc(x)

@step(cache=False)
def talk(lines: int) -> int:
    for one in range(lines):
        print("line", one)
    return lines

@pipeline
def talking(lines: int):
    talk(lines)

def timed(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start

def without(run):
    progress_displays.stop_watching(zenbook.notebook._progress)
    try:
        return timed(run)
    finally:
        progress_displays.watch_runs_with(zenbook.notebook._progress)
"""
_FIRST = """
from zenbook.notebook.panels.run_panel import RunPanel
from zenbook.display.run_view import RunView, StepView
names = [f"s{at}" for at in range(60)]
view = RunView("r", "many", edges=tuple(zip(names, names[1:])), steps={one: StepView(one) for one in names})
panel = RunPanel(view)
def first():
    panel.show()
print(json.dumps(timed(first)))
panel.end(None)
"""
_STEPS = """
pairs = [(timed(lambda: chain(n={steps})), without(lambda: chain(n={steps}))) for _ in range({repeats})]
print(json.dumps(statistics.median(a - b for a, b in pairs) / {steps}))
"""
_LOG = """
from IPython.utils.capture import capture_output
pairs = []
for _ in range({repeats}):
    with capture_output():
        pairs.append((timed(lambda: talking(lines={lines})), without(lambda: talking(lines={lines}))))
print(json.dumps(statistics.median(a / b for a, b in pairs) - 1))
"""


def measure(*, steps: int = 200, lines: int = 100_000, repeats: int = 7) -> Result:
    """Milliseconds a step that the panel adds, its first paint, and what it adds to a step that prints much."""
    with empty_folder() as folder:
        told = {**environment(), "JPY_SESSION_NAME": str(Path(folder) / "book.ipynb")}
        manager, client = start_new_kernel(kernel_name="python3", env={**os.environ, **told}, cwd=str(folder))
        try:
            _value(client, _SETUP + "print(json.dumps(timed(lambda: chain(n=3))))")
            first = _value(client, _FIRST)
            added = _value(client, _STEPS.format(steps=steps, repeats=repeats))
            log = _value(client, _LOG.format(lines=lines, repeats=repeats))
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    return Result(
        "The run panel",
        (
            Figure("added to a step", added * 1e3, "ms/step", 1.0),
            Figure("imported and sent, 60 steps", first * 1e3, "ms", 500.0),
            Figure(f"added to a step that prints {lines} lines", log * 1e2, "%", 5.0),
        ),
        "A kernel without a browser: what the page needs to draw is measured by panels_in_browser.",
    )


def _value(client: BlockingKernelClient, code: str) -> float:
    """What a cell prints last, as JSON."""
    printed: list[str] = []

    def take(message: dict) -> None:
        body = message["content"]
        if message["msg_type"] == "stream":
            printed.append(body["text"])
        elif message["msg_type"] == "error":
            raise RuntimeError("\n".join(body["traceback"]))

    client.execute_interactive(code, timeout=300, output_hook=take)
    return float(json.loads("".join(printed).splitlines()[-1]))
