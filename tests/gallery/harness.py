"""Run a gallery script as plain cells and as step cells, each in a process of its own, and compare what they leave.

Each process has an IPython shell with the inline backend, whose figures end with their cell as in a notebook, one
thread, a fixed hash seed and the same global random states. The step cells run twice in one shell and once more in a
new process in the same workspace.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.gallery.sources import ROOT, Script

PASSES = ("steps", "again", "anew")  # the first run, the second in the same shell, and one in a new process


@dataclass
class Cell:
    """What became of one cell in one pass."""

    name: str
    state: str = ""
    why: str = ""
    notes: list[str] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0

    @property
    def draws(self) -> bool:
        """Whether it draws from a global random state without a seed, and says so."""
        return any("global state of" in one for one in self.notes) or "global random state" in self.why


@dataclass
class Outcome:
    """What became of one script."""

    script: str
    plain: list[Cell] = field(default_factory=list)
    passes: dict[str, list[Cell]] = field(default_factory=dict)
    differences: dict[str, dict[str, str]] = field(default_factory=dict)  # pass → name → how it differs
    trouble: str = ""  # why it could not be run to its end
    seconds: float = 0.0

    def drew_again(self, each: str) -> bool:
        """Whether a cell ran again in this pass because it draws from a global random state without a seed."""
        return each in PASSES[1:] and any(cell.draws for cell in self.passes[each] if cell.state != "cached")

    def said(self) -> set[str]:
        """The differences that were found so far."""
        return {how for found in self.differences.values() for how in found.values()}

    @property
    def run_again(self) -> dict[str, Cell]:
        """The cells that a later pass ran again though they draw nothing and no cell above them has drawn."""
        kept = {}
        for each in PASSES[1:]:
            for cell in self.passes.get(each, []):
                if cell.state != "cached" and cell.draws:
                    break
                if cell.state != "cached":
                    kept[f"{each}:{cell.name}"] = cell
        return kept

    @property
    def not_cached(self) -> dict[str, Cell]:
        """The cells that a later pass ran again, by pass and name."""
        return {
            f"{each}:{cell.name}": cell
            for each in PASSES[1:]
            for cell in self.passes.get(each, [])
            if cell.state != "cached"
        }

    @property
    def errors(self) -> dict[str, str]:
        """Errors of cells that ran well as plain cells."""
        well = {cell.name for cell in self.plain if not cell.error}
        first = {cell.error for cell in self.passes.get("steps", [])}
        return {
            f"{each}:{cell.name}": cell.error
            for each, cells in self.passes.items()
            for cell in cells
            if cell.error and cell.name in well and (each == "steps" or cell.error not in first)
        }

    @property
    def equal(self) -> bool:
        """Whether all cells ran and left in each pass what plain cells leave."""
        return not (self.trouble or self.errors or any(self.differences.values()))


def run_script(script: Script, folder: Path, *, limit: float = 120, excluded: dict[str, str] | None = None) -> Outcome:
    """Run a script in ``folder``, with ``limit`` seconds for each process; values named in ``excluded`` don't count."""
    from tests.gallery.compare import differences

    begun = time.monotonic()
    outcome = Outcome(script.name)
    try:
        with ThreadPoolExecutor(2) as pool:
            plain = pool.submit(_in_process, "plain", script, folder / "plain", limit)
            steps = pool.submit(_in_process, "steps", script, folder / "steps", limit)
            left = plain.result()
            done = steps.result()
        done |= _in_process("anew", script, folder / "steps", limit)
    except _NotRunError as error:
        outcome.trouble = str(error)
        outcome.seconds = time.monotonic() - begun
        return outcome
    outcome.plain = left["plain"][0]
    for each, (cells, values) in done.items():
        outcome.passes[each] = cells
        # Cells that drew unseeded and ran again have drawn other numbers.
        found = {} if outcome.drew_again(each) else differences(left["plain"][1], values, excluded or {})
        outcome.differences[each] = {name: how for name, how in found.items() if how not in outcome.said()}
    outcome.seconds = time.monotonic() - begun
    return outcome


class _NotRunError(Exception):
    """A process did not come to its end."""


_Left = dict[str, tuple[list[Cell], dict[str, Any]]]


def _in_process(how: str, script: Script, folder: Path, limit: float) -> _Left:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ipython").mkdir(exist_ok=True)
    (folder / "script.json").write_text(json.dumps(script.blocks))
    result = folder / f"{how}.pickle"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ZENBOOK_")},
        "IPYTHONDIR": str(folder / "ipython"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    with (folder / f"{how}.log").open("w") as log:
        command = [sys.executable, "-m", "tests.gallery.harness", how, str(result)]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, stdout=log, stderr=log, timeout=limit, check=False
            )
        except subprocess.TimeoutExpired:
            raise _NotRunError(f"{how}: not done in {limit:.0f} s") from None
    if not result.exists():
        tail = (folder / f"{how}.log").read_text(errors="replace").splitlines()[-1:]
        raise _NotRunError(f"{how}: the process ended with {done.returncode}: {' '.join(tail)}")
    return pickle.loads(result.read_bytes())


# --- within the process -------------------------------------------------------------------------------------------


def _main(how: str, result: str) -> None:
    import random

    import numpy as np

    from tests.gallery.compare import summary

    sys.path[:] = [one for one in sys.path if one not in ("", str(Path.cwd()))]
    blocks = json.loads(Path("script.json").read_text())
    shell = _shell()
    # Scripts that draw unseeded begin at the same state: step cells must hand it on as plain cells do.
    random.seed(0)
    np.random.seed(0)
    left: _Left = {}
    for each in ("steps", "again") if how == "steps" else (how,):
        print(f"===== {each}", flush=True)
        cells = list(_run_plain(shell, blocks) if how == "plain" else _run_steps(shell, blocks))
        left[each] = (cells, summary(shell.user_ns))
    Path(result).write_bytes(pickle.dumps(left))
    os._exit(0)  # worker processes of joblib may take long to end


def _shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Shell(InteractiveShell):
        def enable_gui(self, gui: Any = None) -> None:
            """No window is opened."""

    settings = Config()
    settings.HistoryManager.enabled = False
    shell = Shell.instance(config=settings, colors="nocolor")
    shell.run_line_magic("matplotlib", "inline")
    return shell


def _run_plain(shell: Any, blocks: list[str]) -> Iterator[Cell]:
    for number, block in enumerate(blocks, 1):
        yield _run_cell(shell, f"block_{number}", block)


def _run_steps(shell: Any, blocks: list[str]) -> Iterator[Cell]:
    from zenbook.notebook.magics import steps_of

    if "step" not in shell.magics_manager.magics["cell"]:
        shell.run_line_magic("load_ext", "zenbook")
    for number, block in enumerate(blocks, 1):
        name = f"block_{number}"
        cell = _run_cell(shell, name, f"%%step {name}\n{block}")
        run = steps_of(shell)._run
        done = run.finished.get(name) if run is not None else None
        if done is not None and not cell.error:
            cell.state, cell.why, cell.notes = str(done.state), done.why, list(done.notes)
        yield cell


def _run_cell(shell: Any, name: str, text: str) -> Cell:
    print(f"===== {name}", flush=True)
    begun = time.monotonic()
    done = shell.run_cell(text, store_history=True)
    error = done.error_before_exec or done.error_in_exec
    said = f"{type(error).__name__}: {error}" if error is not None else ""
    return Cell(name, "failed" if said else "succeeded", error=said, seconds=time.monotonic() - begun)


if __name__ == "__main__":
    from tests.gallery import harness  # not this module's own name, so that the results can be read elsewhere

    harness._main(*sys.argv[1:])
