"""A project whose module is edited between runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def project(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[..., ModuleType]:
    """Writes the test file's ``PROJECT`` with some words replaced, and imports it again."""
    monkeypatch.syspath_prepend(str(workspace))
    name = f"project_{workspace.name.replace('-', '_')}"

    def write(*changes: tuple[str, str]) -> ModuleType:
        text: str = request.module.PROJECT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (workspace / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return write
