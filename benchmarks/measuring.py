"""Time things in turns, in empty workspaces and in processes of their own."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Turns:
    """What each thing gave, by the number of the turn."""

    values: Mapping[str, list[float]]

    def __getitem__(self, name: str) -> float:
        return statistics.median(self.values[name])

    def ratio(self, one: str, other: str) -> float:
        """The median of the ratios within a turn: what slows the whole machine for a while slows both."""
        return statistics.median(a / b for a, b in zip(self.values[one], self.values[other], strict=True))


def in_turns(things: Mapping[str, Callable[[int], float]], repeats: int) -> Turns:
    """What each function gives, called in turns with the number of the turn."""
    found: dict[str, list[float]] = {name: [] for name in things}
    for number in range(repeats):
        for name, thing in things.items():
            found[name].append(thing(number))
    return Turns(found)


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def empty_folder() -> Iterator[Path]:
    """A new current folder, without a workspace, on the disk that holds temporary files; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="zenbook-bench-") as name, chdir(name):
        yield Path(name)


@contextmanager
def workspace(folder: Path) -> Iterator[None]:
    """Run pipelines in the workspace of a folder."""
    before = os.environ.get("ZENBOOK_WORKSPACE")
    os.environ["ZENBOOK_WORKSPACE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["ZENBOOK_WORKSPACE"]
        else:
            os.environ["ZENBOOK_WORKSPACE"] = before


def python(*arguments: str, folder: Path) -> str:
    """What this interpreter prints when it runs with these arguments in a folder."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def environment() -> dict[str, str]:
    """Variables of a child: compiled modules are kept, as everywhere but in some containers; BLAS uses one thread.

    Idle BLAS threads spin: on two cores that adds up to 0.5 s to a fit of 0.04 s, by chance.
    """
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME", "ZENBOOK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
