"""Scripts that tests run in processes of their own, to be interrupted, killed or watched from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import IO

PATIENCE = 60.0  # seconds: more than any of them needs on a busy machine

HEAD = """
import os, sys, time, zenbook
from pathlib import Path
from zenbook import step, pipeline, log_metrics
"""

SLOW = """
@step
def waits() -> int:
    print("waiting", flush=True)
    time.sleep(60)
    return 1

@pipeline
def slow():
    waits()

if __name__ == "__main__":
    slow()
"""


def write_script(folder: Path, body: str, name: str = "script.py") -> Path:
    """A script below the usual imports."""
    path = folder / name
    path.write_text(HEAD + textwrap.dedent(body), encoding="utf-8")
    return path


def run_script(path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    return subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=path.parent,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        preexec_fn=_take_interrupts,
        check=False,
    )


def run_zen(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The shell command."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "zen"), *words],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        preexec_fn=_take_interrupts,
        check=False,
    )


def _take_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell runs the tests in the background


class Started:
    """A script that runs; it is killed in the end, if it has not ended."""

    def __init__(self, path: Path, *arguments: str, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(path), *arguments],
            cwd=path.parent,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_take_interrupts,
        )
        self._guard = threading.Timer(PATIENCE, self.process.kill)
        self._guard.start()

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        self._guard.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for(self, line: str) -> None:
        """Read what it prints until it prints this line."""
        stdout: IO[str] | None = self.process.stdout
        assert stdout is not None
        seen = []
        for one in stdout:
            seen.append(one)
            if one.strip() == line:
                return
        raise AssertionError(f"{line!r} did not come: {''.join(seen)}{self.process.communicate()[1]}")

    def end(self) -> tuple[int, str, str]:
        """Exit code, what else it printed, what it said on stderr."""
        out, err = self.process.communicate()
        return self.process.returncode, out, err
