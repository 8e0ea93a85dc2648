"""Where a run runs: Python, packages, git, host and user."""

from __future__ import annotations

import getpass
import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from zenbook.core.digest import digest_of_text
from zenbook.core.distributions import installed_distributions
from zenbook.stack.records import EnvironmentRecord

_GIT_LIFETIME = 5.0  # seconds for which git is not asked again
_answers: dict[str, tuple[float, dict[str, Any]]] = {}


class EnvironmentSnapshot:
    """Collects facts about the environment in the background, since git and `platform` wait for other programs."""

    def __init__(self) -> None:
        self._git: dict[str, Any] = {}
        self._thread: threading.Thread | None = None
        folder = str(Path.cwd())
        known = _answers.get(folder)
        if known is not None and time.monotonic() - known[0] < _GIT_LIFETIME:
            self._git = known[1]
        else:
            self._thread = threading.Thread(target=self._ask, args=(folder,), daemon=True, name="zenbook-git")
            self._thread.start()

    def _ask(self, folder: str) -> None:
        platform.platform()  # asks `uname` for the processor, once
        self._git = git_state(Path(folder))
        _answers[folder] = time.monotonic(), self._git

    def collect(self) -> EnvironmentRecord:
        """Wait for the facts, and describe the environment."""
        if self._thread is not None:
            self._thread.join()
        body = {
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
            "platform": platform.platform(),
            "packages": installed_distributions(),
            "git": self._git,
            "host": socket.gethostname(),
            "user": user_name(),
        }
        text = json.dumps(body, sort_keys=True)
        return EnvironmentRecord(digest_of_text(text), text)


def git_state(folder: Path) -> dict[str, Any]:
    """Ask git for the commit and branch, and whether tracked files have changed.

    Args:
        folder: A folder.

    Returns:
        "commit", "branch" and "dirty"; empty outside of a repository.
    """
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return {}
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD"), "dirty": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def user_name() -> str:
    """The user's name; empty if the machine does not know it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def process_identity() -> str:
    """This process as "pid:start time:pid namespace", so that another process with its pid is not mistaken for it."""
    return identity_of(os.getpid())


def identity_of(pid: int) -> str:
    """Name a process of this machine in the same way as `process_identity`.

    Args:
        pid: The process id.

    Returns:
        "pid:start time:pid namespace".
    """
    return f"{pid}:{_started(pid)}:{_namespace()}"


def is_alive(process: str) -> bool:
    """Whether a process of this machine is still running.

    Args:
        process: The process as `process_identity` names it.

    Returns:
        True too for a process of another container, which is not visible here.
    """
    pid, started, namespace = process.split(":") if process.count(":") == 2 else (process, "", "")
    if namespace != _namespace():
        return bool(namespace)
    return pid.isdecimal() and _started(int(pid)) == started


def _started(pid: int) -> str:
    """When a process began: in ticks since boot, which no correction of the clock moves; "" if it is gone."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _started_by_psutil(pid)
    return "" if facts[0] in (b"Z", b"X") else facts[19].decode()  # a zombie only waits for its parent


def _started_by_psutil(pid: int) -> str:
    import psutil

    try:
        return f"{psutil.Process(pid).create_time():.0f}"
    except psutil.Error:
        return ""


def _namespace() -> str:
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)  # noqa: PTH116
    except OSError:
        return "0"
