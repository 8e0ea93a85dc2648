"""Runs in the background: each is driven by a process of its own, which keeps running when the kernel ends.

``python -m zenbook.engine.background --stack STACK`` executes a run whose row, with its plan, is in the metadata store.
It waits for the run's id on its standard input, so that the row can name its process.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys

from zenbook.core.plan import Plan
from zenbook.engine.environment import EnvironmentSnapshot, identity_of
from zenbook.engine.launcher import create_pending_run, execute_pending_run
from zenbook.engine.progress_displays import watch_runs_with
from zenbook.engine.progress_file import ProgressFile, progress_file
from zenbook.errors import RunError, ZenbookError
from zenbook.stack.records import RunRecord
from zenbook.stack.stack import OpenStack, open_stack


def launch_in_background(
    plan: Plan, stack: OpenStack, *, use_cache: bool = True, snapshot: EnvironmentSnapshot | None = None
) -> RunRecord:
    """Start a process that executes a plan.

    Args:
        plan: What to run.
        stack: The stack to run it on.
        use_cache: Whether steps may be served from the cache.
        snapshot: The description of the environment, if it is being collected already.

    Returns:
        The run's row, at once.
    """
    driver = _start(stack, use_cache=use_cache)
    assert driver.stdin is not None
    try:
        record = create_pending_run(plan, stack, process=identity_of(driver.pid), snapshot=snapshot)
        driver.stdin.write(f"{record.id}\n".encode())
    finally:
        driver.stdin.close()  # without a line it ends
    _children.append(driver)
    return record


_children: list[subprocess.Popen[bytes]] = []  # so that those that have ended are waited for


def _start(stack: OpenStack, *, use_cache: bool) -> subprocess.Popen[bytes]:
    for child in list(_children):
        if child.poll() is not None:
            _children.remove(child)
    command = [sys.executable, "-m", "zenbook.engine.background", "--stack", stack.stack.name]
    command += [] if use_cache else ["--no-cache"]
    log = stack.workspace.home / "background.log"  # what ends a driver before it can write to the store
    try:
        with log.open("ab") as file:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,  # what steps print is recorded
                stderr=file,
                env={**os.environ, **stack.variables()},
                start_new_session=True,
            )
    except OSError as error:
        raise RunError(
            f"Could not start a process for the run: {error.strerror}.", "Run it in the foreground."
        ) from error


def main(arguments: list[str] | None = None) -> int:
    """Execute the run that is named on the standard input.

    Args:
        arguments: The command line; by default that of this process.

    Returns:
        The exit code: 0 when the run succeeded, 130 when it was interrupted, 2 when no run was named.
    """
    parser = argparse.ArgumentParser(prog="python -m zenbook.engine.background", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack, by name")
    parser.add_argument("--no-cache", action="store_true", help="run the steps even if nothing changed")
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # a kernel ignores SIGINT, and its children would too
        signal.signal(number, _interrupt)
    run = sys.stdin.readline().strip()
    if not run:
        return 2
    try:
        stack = open_stack(options.stack)
        record = _read_run(stack, run)
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # what steps print is recorded
        watch_runs_with(lambda view: ProgressFile(progress_file(stack.workspace, view.run)))
        execute_pending_run(record, stack, use_cache=not options.no_cache)
    except KeyboardInterrupt:
        return 130
    except ZenbookError as error:
        sys.__stderr__ and sys.__stderr__.write(f"run {run}: {error}\n")
        return 1
    except Exception:  # noqa: BLE001  # a step's own: it is recorded
        return 1
    return 0


def _read_run(stack: OpenStack, run: str) -> RunRecord:
    record = stack.metadata.run(run)
    if record is None:
        raise RunError(f"Run {run!r} is not in {stack.metadata.describe()}.", "Use the stack of the run.")
    return record


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
