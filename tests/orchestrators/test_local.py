"""The local orchestrator: steps one after another, in this process."""

from __future__ import annotations

import os

import pytest

from zenbook import pipeline, step
from zenbook.errors import StackError
from zenbook.orchestrators.local import LocalFlavour, LocalSettings
from zenbook.stack.stack import open_stack


@step
def pid() -> int:
    import os

    return os.getpid()


@pipeline
def asking() -> None:
    pid()


def test_steps_run_in_this_process(workspace: object) -> None:
    assert asking().steps["pid"].outputs["output"].load() == os.getpid()


def test_it_describes_itself(tmp_path: object) -> None:
    assert LocalFlavour().make(LocalSettings(), tmp_path).describe() == "in this process, one step after another"


def test_options_that_it_does_not_have_are_refused(workspace) -> None:
    (workspace / ".zen").mkdir()
    (workspace / ".zen" / "config.yaml").write_text("orchestrators:\n  local: {flavour: local, wrokers: 3}\n")
    with pytest.raises(StackError, match="wrokers"):
        _ = open_stack().orchestrator
