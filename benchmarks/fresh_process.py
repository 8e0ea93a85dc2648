"""A small scikit-learn pipeline as a process that starts from nothing, beside plain functions with pickle."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, in_turns, python, seconds

HERE = Path(__file__).parent


def measure(*, repeats: int = 11) -> Result:
    """Seconds of both, and their ratio."""
    for script in ("iris_plain.py", "iris_zenbook.py"):
        _run(script, 0)  # compiles the modules, brings files into the system's memory
    found = in_turns(
        {"plain": lambda n: _run("iris_plain.py", n), "zenbook": lambda n: _run("iris_zenbook.py", n)}, repeats
    )
    return Result(
        "A 3-step scikit-learn pipeline as a fresh process",
        (
            Figure("over plain functions with pickle", found.ratio("zenbook", "plain"), "×", 1.25),
            Figure("zenbook, empty workspace", found["zenbook"], "s"),
            Figure("plain functions with pickle", found["plain"], "s"),
        ),
        "Timed: from the start of the process to its end.",
    )


def _run(script: str, _number: int) -> float:
    with empty_folder() as folder:
        return seconds(lambda: python(str(HERE / script), folder=folder))
