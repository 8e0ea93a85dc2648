"""What ``import zenbook`` and ``%load_ext zenbook`` cost."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path

from benchmarks.figures import Figure, Result
from benchmarks.measuring import empty_folder, environment, in_turns, python, seconds

CELL = """
import time
_start = time.perf_counter()
get_ipython().run_line_magic("load_ext", "zenbook")
print("took", time.perf_counter() - _start)
"""


def measure(*, repeats: int = 31, kernels: int = 7) -> Result:
    """Milliseconds beyond the interpreter, and on top of a running kernel."""
    with empty_folder() as folder:
        found = in_turns(
            {
                "pass": lambda n: seconds(lambda: python("-c", "pass", folder=folder)),
                "zenbook": lambda n: seconds(lambda: python("-c", "import zenbook", folder=folder)),
                "step": lambda n: seconds(lambda: python("-c", "from zenbook import pipeline, step", folder=folder)),
            },
            repeats,
        )
        figures = [
            Figure("import zenbook", (found["zenbook"] - found["pass"]) * 1e3, "ms", 60.0, "beyond `python -c pass`"),
            Figure("from zenbook import pipeline, step", (found["step"] - found["pass"]) * 1e3, "ms"),
        ]
        if kernels and hasattr(importlib.import_module("zenbook.notebook"), "load"):
            took = in_turns({"load_ext": lambda n: _in_kernel(folder)}, kernels)["load_ext"]
            figures.append(Figure("%load_ext zenbook", took * 1e3, "ms", 50.0, "in a running ipykernel"))
        elif kernels:
            print("%load_ext zenbook is not measured: zenbook.notebook.load is not there yet.")
    return Result("Imports", tuple(figures), "Timed: whole processes; for %load_ext, the magic itself in a new kernel.")


def _in_kernel(folder: Path) -> float:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(
        kernel_name="python3", cwd=str(folder), env=environment(), stderr=subprocess.DEVNULL
    )
    printed: list[str] = []

    def listen(message) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])
        elif message["msg_type"] == "error":
            raise RuntimeError("\n".join(message["content"]["traceback"]))

    try:
        client.execute_interactive("1 + 1", timeout=60, output_hook=listen)
        client.execute_interactive(CELL, timeout=60, output_hook=listen)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return float("".join(printed).split("took")[1])
