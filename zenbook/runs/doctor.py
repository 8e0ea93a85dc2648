"""``zen doctor``: is everything here as zenbook needs it?"""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from zenbook.errors import ZenbookError
from zenbook.runs.table import Table
from zenbook.stack.records import RunQuery
from zenbook.stack.stack import open_stack
from zenbook.stack.workspace import Workspace

_ENOUGH = 1_000_000_000  # bytes of free disk below which a warning is due


def examine() -> Table:
    """Look at Python, the kernel, the workspace and the active stack's components; says how to mend what is wrong."""
    rows = []
    for name, check in _checks():
        try:
            state, detail = check()
        except ZenbookError as error:
            state, detail = "✗", f"{error.message} {error.hint}"
        rows.append((state, name, detail))
    return Table("Doctor", ("", "what", "found"), rows, wide_last=True)


def _checks() -> Iterator[tuple[str, Callable[[], tuple[str, str]]]]:
    yield "zenbook", lambda: ("✓", version("zenbook"))
    yield "Python", lambda: ("✓", f"{platform.python_version()} ({sys.executable})")
    yield "kernel", _kernel
    yield "workspace", _workspace
    yield "disk", _disk
    yield "artifact store", _artifacts
    yield "metadata store", _metadata
    yield "orchestrator", lambda: ("✓", open_stack().orchestrator.describe())


def _kernel() -> tuple[str, str]:
    try:
        found = version("ipykernel")
    except PackageNotFoundError:
        return "–", 'ipykernel is not installed here; for notebooks: pip install "zenbook[notebook]"'
    if found.startswith("7.0."):
        return "✗", f'ipykernel {found} loses output of threads; pip install "ipykernel>=7.1"'
    return "✓", f"ipykernel {found}"


def _workspace() -> tuple[str, str]:
    workspace = Workspace.find()
    if not workspace.exists:
        return "✓", f"{workspace.home} (made on first use)"
    workspace.config()
    return "✓", str(workspace.home)


def _disk() -> tuple[str, str]:
    home = Workspace.find().home
    folder = next(one for one in (home, *home.parents) if one.exists())
    free = shutil.disk_usage(folder).free
    return ("✓" if free > _ENOUGH else "!"), f"{free / 1e9:.1f} GB free"


def _artifacts() -> tuple[str, str]:
    store = open_stack().artifacts
    written = store.put_bytes(b"zenbook doctor", suffix=".txt")
    with store.open(written.address) as file:
        same = file.read() == b"zenbook doctor"
    place = store.uri(written.address)
    store.delete(written.address)
    return ("✓", f"writes and reads {place.rpartition('/')[0]}") if same else ("✗", f"{place} reads back differently")


def _metadata() -> tuple[str, str]:
    store = open_stack().metadata
    store.runs(RunQuery(limit=1))
    return "✓", store.describe()
