"""``zen doctor``: is everything here as zenbook needs it?

Each check looks at one thing and says what it found and how to mend it. None can stop the others: what a check raises
is its finding, and one that waits too long (for a server that is down) is left behind.
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

PATIENCE = 8.0  # seconds that all checks of the components may take together; as many for all the others
_ENOUGH = 1_000_000_000  # bytes of free disk below which a warning is due
_SKEW = 60.0  # seconds by which a clock may be wrong
_LIBRARIES = (
    *("sqlalchemy", "alembic", "pydantic", "pydantic-settings", "fsspec", "pyarrow", "blake3", "cloudpickle"),
    *("ipython", "click", "pandas", "numpy", "scikit-learn", "pymysql", "psycopg", "gcsfs", "s3fs", "adlfs"),
)
_SHOWN = frozenset(  # variables whose values are names and places, never secrets
    f"ZENBOOK_{one}" for one in ("STACK", "WORKSPACE", *(f"STACK_{kind.name}" for kind in ComponentKind))
)

Finding = tuple[str, str]  # a sign and a sentence: ✓ well, ! worth a look, ✗ broken, – not there
Check = Callable[[], Finding]


def examine() -> Table:
    """Look at Python, the workspace and the active stack's components; says how to mend what is wrong.

    Never raises, and takes 16 s at most.
    """
    opened = _Opened()
    around: list[tuple[str, Check]] = [
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
    # What is around first: the components make the workspace that is looked at.
    rows = [*_findings(around), *_findings(components)]
    return Table("Doctor", ("", "what", "found"), rows, wide_last=True)


@dataclass(slots=True)
class _Opened:
    """The active stack, opened by the check that needs it first."""

    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def stack(self) -> OpenStack:
        with self.lock:
            return open_stack()


def _findings(checks: Sequence[tuple[str, Check]]) -> list[tuple[str, str, str]]:
    """What each check found, all looking at the same time."""
    waiting = [(name, _begun(name, check)) for name, check in checks]
    until = time.monotonic() + PATIENCE
    rows = []
    for name, answer in waiting:
        try:
            sign, found = answer.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            sign, found = "✗", f"no answer within {PATIENCE:g} s. Is a server down, or a network disk away?"
        rows.append((sign, name, found))
    return rows


def _begun(name: str, check: Check) -> queue.SimpleQueue[Finding]:
    answer: queue.SimpleQueue[Finding] = queue.SimpleQueue()

    def look() -> None:
        try:
            answer.put(check())
        except ZenbookError as error:
            answer.put(("✗", f"{error.message} {error.hint}".strip()))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what was found
            answer.put(("✗", f"{type(error).__name__}: {error}"))

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(look,), daemon=True, name=f"zenbook-doctor-{name}").start()
    return answer


# --- what is around ---------------------------------------------------------------------------------------------------


def _zenbook() -> Finding:
    try:
        found = version("zenbook")
    except PackageNotFoundError:
        return "✗", "zenbook is not installed, so no component is found: pip install zenbook (or pip install -e .)"
    missing = [kind.label for kind in ComponentKind if not kind.optional and not flavours(kind)]
    if missing:
        return "✗", f"{found}, without a flavour of {missing[0]}: install it again, so that its entry points are known"
    return "✓", f"{found} in {Path(__file__).parent.parent}"


def _python() -> Finding:
    return "✓", f"{platform.python_version()} ({sys.executable}) on {platform.platform()}"


def _libraries() -> Finding:
    return "✓", ", ".join(f"{name} {found}" for name in _LIBRARIES if (found := _version(name)))


def _kernel() -> Finding:
    found = _version("ipykernel")
    if not found:
        return "–", 'ipykernel is not installed here; for notebooks: pip install "zenbook[notebook]"'
    if found.startswith("7.0."):
        return "✗", f'ipykernel {found} loses output of threads; pip install "ipykernel>=7.1"'
    return "✓", f"ipykernel {found}"


def _lab() -> Finding:
    parts = {name: _version(name) for name in ("jupyterlab", "notebook", "ipywidgets", "anywidget")}
    there = ", ".join(f"{name} {found}" for name, found in parts.items() if found)
    if not parts["jupyterlab"] and not parts["notebook"]:
        return "–", f"{there or 'none'} here; it may be installed elsewhere, the kernel alone has to be here"
    return "✓", there


def _variables() -> Finding:
    found = [
        f"{name}={_without_password(value)}" if name in _SHOWN else f"{name} (set)"
        for name, value in sorted(os.environ.items())
        if name.upper().startswith("ZENBOOK_")
    ]
    return ("✓", ", ".join(found)) if found else ("–", "no ZENBOOK_… is set")


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
    facts = home.stat()
    mode = stat.S_IMODE(facts.st_mode)
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return "✗", f"{home} (mode {mode:04o}) can't be written by you: chown it, or zen init --path DIR elsewhere"
    if hasattr(os, "getuid") and facts.st_uid != os.getuid():
        return "!", f"{home} belongs to user {facts.st_uid}: sudo chown -R $USER {home}"
    if os.name == "posix" and mode & 0o077:
        return "!", f"others can look into {home} (mode {mode:04o}): chmod 700 {home}"
    return "✓", f"mode {mode:04o}: nobody else can look into it"


def _disk() -> Finding:
    home = Workspace.find().home
    folder = next(one for one in (home, *home.parents) if one.exists())
    free = shutil.disk_usage(folder).free
    if free > _ENOUGH:
        return "✓", f"{free / 1e9:.1f} GB free"
    return "!", f"{free / 1e9:.1f} GB free: zen gc --delete removes what no run refers to"


def _spool() -> Finding:
    folder = Workspace.find().home / FOLDER
    waiting, damaged = ([one.stat().st_mtime for one in folder.rglob(f"*.{kind}")] for kind in ("json", "damaged"))
    found = []
    if waiting:
        oldest = duration(time.time() - min(waiting))
        found.append(
            f"{len(waiting)} waiting in {folder}, the oldest for {oldest}: a metadata store was away, and the next "
            "command that reaches it sends them"
        )
    if damaged:
        found.append(f"{len(damaged)} in {folder} could not be read and are set aside: look at them, then delete them")
    return ("!", "; ".join(found)) if found else ("✓", "nothing waits to be recorded")


# --- the active stack -------------------------------------------------------------------------------------------------


def _stack() -> Finding:
    chosen = Stack.named()
    return "✓", f"{chosen.name}: {chosen.artifact_store}, {chosen.metadata_store}, {chosen.orchestrator}"


def _if_reached(look: Callable[[OpenStack], Finding], opened: _Opened) -> Finding:
    """What a store that is away keeps from being seen is no second fault."""
    try:
        return look(opened.stack)
    except ZenbookError as error:
        return "–", f"not looked at: {error.message}"


def _clock(stack: OpenStack) -> Finding:
    """Ids of runs sort by time, so a clock that went back hides new runs behind old ones."""
    now = time.time()
    newest = stack.metadata.runs(RunQuery(limit=1))
    if newest and newest[0].created_at > now + _SKEW:
        ahead = duration(newest[0].created_at - now)
        return "!", f"run {newest[0].id} began {ahead} in the future: set this clock or that of {newest[0].host} right"
    with tempfile.NamedTemporaryFile(dir=stack.workspace.home, prefix="clock-", suffix=".tmp") as file:
        written = os.fstat(file.fileno()).st_mtime
    if abs(written - now) > _SKEW:
        return "!", f"the workspace's disk is {duration(abs(written - now))} off this clock: set one of them right"
    return "✓", time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(now))


def _runs(stack: OpenStack) -> Finding:
    states = (RunState.PENDING, RunState.RUNNING)
    seen = stack.metadata.runs(RunQuery(states=states, limit=100))
    going_on = [one for one in mark_crashed_runs(stack.metadata, seen) if not one.state.ended]
    crashed = len(seen) - len(going_on)
    told = [f"{one.id} on {one.host or 'an unknown host'}" for one in going_on[:5]]
    parts = [f"{len(going_on)} going on ({', '.join(told)})" if told else "none going on"]
    if crashed:
        parts.append(f"{crashed} found crashed just now: zen resume RUN goes on from where it was")
    away = [one for one in going_on if one.host != socket.gethostname() and time.time() - one.created_at > 86400]
    if away:
        parts.append(f"{away[-1].id} began more than a day ago on {away[-1].host}: look there whether it still lives")
    return ("!" if crashed or away else "✓"), "; ".join(parts)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _without_password(value: str) -> str:
    return re.sub(r"://[^/@\s]*@", "://…@", value)
