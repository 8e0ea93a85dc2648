"""Gives each notebook that nbval runs a workspace of its own, so that what an earlier run cached can't show."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

_workspaces = pytest.StashKey[dict[Path, str]]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The first cell of a notebook starts its kernel, which inherits this process's environment."""
    os.environ["ZENBOOK_WORKSPACE"] = _workspace_of(item)


def _workspace_of(item: pytest.Item) -> str:
    known = item.config.stash.setdefault(_workspaces, {})
    if item.path not in known:
        folder = tempfile.TemporaryDirectory(prefix="zenbook-nbval-", ignore_cleanup_errors=True)
        item.config.add_cleanup(folder.cleanup)
        known[item.path] = str(Path(folder.name) / ".zen")
    return known[item.path]
