"""What it costs to export a pipeline as a DAG for Airflow."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, seconds, workspace
from zenbook.cli import invoke

STEP = "@step\ndef s{n}(x: int = 0) -> int:\n    return x + {n}\n"


def measure(*, steps: int = 20, repeats: int = 5) -> Result:
    """Seconds for a pipeline of ``steps`` steps, once what is imported on first use is there."""
    with empty_folder() as folder, workspace(folder):
        file = Path(folder) / "chained_for_export.py"
        wiring = "".join(f"    x = s{n}(x)\n" for n in range(steps))
        file.write_text(
            "from zenbook import pipeline, step\n"
            + "\n".join(STEP.format(n=n) for n in range(steps))
            + f"\n@pipeline\ndef chain(x: int = 1) -> None:\n{wiring}"
        )
        words = ["export", "airflow", f"{file}:chain", "--to"]
        invoke([*words, str(Path(folder) / "first")])
        folders = [str(Path(folder) / f"out{n}") for n in range(repeats)]
        took = min(seconds(partial(invoke, [*words, one])) for one in folders)
    return Result(
        "Export to Airflow",
        (Figure(f"{steps} steps", took, "s", 1.0),),
        "Timed: the verb, best of several; its folder is on the local disk.",
    )
