"""``zen doctor``: check that Python, the workspace and the active stack are as zenbook needs them.

Each check looks at one thing and says what it found and how to fix it. No check can stop the others: an error in a
check becomes its finding, and a check that waits too long (for a server that is down) is abandoned.
"""

from __future__ import annotations

import contextvars
import os
import platform
import queue
import re
import shutil
import socket
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from zenbook.core.states import RunState
from zenbook.display.table import Table, duration
from zenbook.engine.liveness import mark_crashed_runs
from zenbook.errors import ZenbookError
from zenbook.stack.flavour import ComponentKind, flavours
from zenbook.stack.records import RunQuery
from zenbook.stack.spool import FOLDER
from zenbook.stack.stack import OpenStack, Stack, open_stack
from zenbook.stack.workspace import Workspace

CHECK_TIMEOUT = 8.0  # seconds that all checks of the components may take together; the same for all others
_MIN_FREE = 1_000_000_000  # bytes of free disk; below it there is a warning
_MAX_SKEW = 60.0  # seconds by which a clock may be wrong
_LIBRARIES = (
    *("sqlalchemy", "alembic", "pydantic", "pydantic-settings", "fsspec", "pyarrow", "blake3", "cloudpickle"),
    *("ipython", "click", "pandas", "numpy", "scikit-learn", "pymysql", "psycopg", "gcsfs", "s3fs", "adlfs"),
)
_NO_SECRETS = frozenset(  # variables whose values are names and paths, never secrets
    f"ZENBOOK_{name}" for name in ("STACK", "WORKSPACE", *(f"STACK_{kind.name}" for kind in ComponentKind))
)

Finding = tuple[str, str]  # a sign and a sentence: ✓ good, ! worth a look, ✗ broken, – missing or not checked
Check = Callable[[], Finding]


def examine() -> Table:
    """Check Python, the workspace and the active stack's components, and say how to fix what is wrong.

    It never raises, and takes 16 s at most.

    Returns:
        One row for each check.
    """
    opened = _ActiveStack()
    environment: list[tuple[str, Check]] = [
        ("zenbook", _zenbook),
        ("Python", _python),
        ("libraries", _libraries),
        ("kernel", _kernel),
        ("JupyterLab", _lab),
        ("variables", _variables),
        ("workspace", _workspace),
        ("permissions", _permissions),
        ("disk", _disk),
        ("spool", _spool),
    ]
    components: list[tuple[str, Check]] = [
        ("stack", _stack),
        ("artifact store", lambda: ("✓", opened.stack.artifacts.check())),
        ("metadata store", lambda: ("✓", opened.stack.metadata.check())),
        ("orchestrator", lambda: ("✓", opened.stack.orchestrator.check())),
        ("clock", lambda: _if_reached(_clock, opened)),
        ("runs", lambda: _if_reached(_runs, opened)),
    ]
    # The environment first: the components create the workspace, which these checks look at.
    rows = [*_findings(environment), *_findings(components)]
    return Table("Doctor", ("", "what", "found"), rows, wide_last=True)


@dataclass(slots=True)
class _ActiveStack:
    """The active stack, opened by the check that needs it first."""

    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def stack(self) -> OpenStack:
        with self.lock:
            return open_stack()


def _findings(checks: Sequence[tuple[str, Check]]) -> list[tuple[str, str, str]]:
    """Run all checks at the same time, and collect what they found."""
    started = [(name, _start(name, check)) for name, check in checks]
    deadline = time.monotonic() + CHECK_TIMEOUT
    rows = []
    for name, answer in started:
        try:
            sign, finding = answer.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            sign, finding = (
                "✗",
                f"no answer within {CHECK_TIMEOUT:g} s. Is a server or a network disk down?",
            )
        rows.append((sign, name, finding))
    return rows


def _start(name: str, check: Check) -> queue.SimpleQueue[Finding]:
    answer: queue.SimpleQueue[Finding] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put(check())
        except ZenbookError as error:
            answer.put(("✗", f"{error.message} {error.hint}".strip()))
        except Exception as error:  # noqa: BLE001  # any error is the finding
            answer.put(("✗", f"{type(error).__name__}: {error}"))

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), daemon=True, name=f"zenbook-doctor-{name}").start()
    return answer


# --- the environment --------------------------------------------------------------------------------------------------


def _zenbook() -> Finding:
    try:
        installed = version("zenbook")
    except PackageNotFoundError:
        return "✗", "zenbook is not installed, so it has no components: pip install zenbook (or pip install -e .)"
    missing = [kind.label for kind in ComponentKind if not kind.optional and not flavours(kind)]
    if missing:
        return (
            "✗",
            f"{installed} has no flavour of {missing[0]}: install it again, so that its entry points are known",
        )
    return "✓", f"{installed} in {Path(__file__).parent.parent}"


def _python() -> Finding:
    return "✓", f"{platform.python_version()} ({sys.executable}) on {platform.platform()}"


def _libraries() -> Finding:
    return "✓", ", ".join(f"{name} {installed}" for name in _LIBRARIES if (installed := _version(name)))


def _kernel() -> Finding:
    installed = _version("ipykernel")
    if not installed:
        return "–", 'ipykernel is not installed here; for notebooks: pip install "zenbook[notebook]"'
    if installed.startswith("7.0."):
        return "✗", f'ipykernel {installed} loses output of threads: pip install "ipykernel>=7.1"'
    return "✓", f"ipykernel {installed}"


def _lab() -> Finding:
    parts = {name: _version(name) for name in ("jupyterlab", "notebook", "ipywidgets", "anywidget")}
    installed = ", ".join(f"{name} {number}" for name, number in parts.items() if number)
    if not parts["jupyterlab"] and not parts["notebook"]:
        return "–", f"{installed or 'none'} here; JupyterLab may be installed elsewhere, only the kernel has to be here"
    return "✓", installed


def _variables() -> Finding:
    variables = [
        f"{name}={_without_password(value)}" if name in _NO_SECRETS else f"{name} (set)"
        for name, value in sorted(os.environ.items())
        if name.upper().startswith("ZENBOOK_")
    ]
    return ("✓", ", ".join(variables)) if variables else ("–", "no ZENBOOK_… variable is set")


def _workspace() -> Finding:
    workspace = Workspace.find()
    if not workspace.exists:
        return "✓", f"{workspace.home} (created on first use)"
    workspace.config()
    config = workspace.config_file.name if workspace.config_file.exists() else "no config.yaml: the defaults"
    return "✓", f"{workspace.home}, {config}"


def _permissions() -> Finding:
    home = Workspace.find().home
    if not home.exists():
        return "–", "no workspace yet"
    status = home.stat()
    mode = stat.S_IMODE(status.st_mode)
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return (
            "✗",
            f"you cannot write to {home} (mode {mode:04o}): change its owner, or use zen init --path DIR",
        )
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return "!", f"{home} belongs to user {status.st_uid}: sudo chown -R $USER {home}"
    if os.name == "posix" and mode & 0o077:
        return "!", f"other users can read {home} (mode {mode:04o}): chmod 700 {home}"
    return "✓", f"mode {mode:04o}: other users cannot read it"


def _disk() -> Finding:
    home = Workspace.find().home
    folder = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free > _MIN_FREE:
        return "✓", f"{free / 1e9:.1f} GB free"
    return "!", f"{free / 1e9:.1f} GB free: zen gc --delete removes artifacts that no run uses"


def _spool() -> Finding:
    folder = Workspace.find().home / FOLDER
    waiting, damaged = ([path.stat().st_mtime for path in folder.rglob(f"*.{kind}")] for kind in ("json", "damaged"))
    findings = []
    if waiting:
        oldest = duration(time.time() - min(waiting))
        findings.append(
            f"{len(waiting)} waiting in {folder}, the oldest for {oldest}: a metadata store could not be reached; the "
            "next command that reaches it sends them"
        )
    if damaged:
        findings.append(f"{len(damaged)} in {folder} could not be read: look at them, then delete them")
    return ("!", "; ".join(findings)) if findings else ("✓", "nothing waits to be recorded")


# --- the active stack -------------------------------------------------------------------------------------------------


def _stack() -> Finding:
    active = Stack.named()
    return "✓", f"{active.name}: {active.artifact_store}, {active.metadata_store}, {active.orchestrator}"


def _if_reached(check: Callable[[OpenStack], Finding], opened: _ActiveStack) -> Finding:
    """Run a check that needs the stores; a store that cannot be reached is reported once, by its own check."""
    try:
        return check(opened.stack)
    except ZenbookError as error:
        return "–", f"not checked: {error.message}"


def _clock(stack: OpenStack) -> Finding:
    """Check the clocks: run ids sort by time, so a clock that is set back hides new runs behind old ones."""
    now = time.time()
    newest = stack.metadata.runs(RunQuery(limit=1))
    if newest and newest[0].created_at > now + _MAX_SKEW:
        ahead = duration(newest[0].created_at - now)
        return (
            "!",
            f"run {newest[0].id} started {ahead} in the future: correct this clock or that of {newest[0].host}",
        )
    with tempfile.NamedTemporaryFile(dir=stack.workspace.home, prefix="clock-", suffix=".tmp") as file:
        written = os.fstat(file.fileno()).st_mtime
    if abs(written - now) > _MAX_SKEW:
        return (
            "!",
            f"this clock and that of the workspace's disk differ by {duration(abs(written - now))}: correct one",
        )
    return "✓", time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(now))


def _runs(stack: OpenStack) -> Finding:
    states = (RunState.PENDING, RunState.RUNNING)
    unfinished = stack.metadata.runs(RunQuery(states=states, limit=100))
    running = [run for run in mark_crashed_runs(stack.metadata, unfinished) if not run.state.ended]
    crashed = len(unfinished) - len(running)
    names = [f"{run.id} on {run.host or 'an unknown host'}" for run in running[:5]]
    parts = [f"{len(running)} running ({', '.join(names)})" if names else "none running"]
    if crashed:
        parts.append(f"{crashed} found crashed just now: zen resume RUN continues from the last finished step")
    old = [run for run in running if run.host != socket.gethostname() and time.time() - run.created_at > 86400]
    if old:
        parts.append(f"{old[-1].id} started more than a day ago on {old[-1].host}: check that it is still running")
    return ("!" if crashed or old else "✓"), "; ".join(parts)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _without_password(value: str) -> str:
    return re.sub(r"://[^/@\s]*@", "://…@", value)
