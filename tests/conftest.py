"""What all tests share: a workspace of their own, and the rule that CI skips nothing that its machine could run."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import pytest

# A skip that is right even in CI says so: `pytest.skip(f"{OTHER_KIND} Python 3.13 is not installed")`.
OTHER_KIND = "not on this machine's kind:"

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

pytest_plugins = ["tests.servers.databases"]  # fixtures: disks, databases, object stores

collect_ignore_glob = ["*.ipynb"]  # notebooks among the tests are material, not nbval's


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer_or_of_another_test() -> Iterator[None]:
    with patch.dict(os.environ):  # `zen init` in this process sets a variable
        _forget_settings()
        yield


def _forget_settings() -> None:
    for name in [one for one in os.environ if one.upper().startswith("ZENBOOK_")]:
        del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def _no_profile_of_the_developer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kernels and shells that tests start read no IPython configuration and share no history file."""
    with patch.dict(os.environ):
        _forget_settings()
        os.environ["IPYTHONDIR"] = str(tmp_path_factory.mktemp("ipython"))
        os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
        yield


@pytest.fixture(autouse=True)
def config_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder for settings; no secret of a test gets into the developer's keyring."""
    folder = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    return folder


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory: the workspace that zenbook makes by itself is its ``.zen``."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one, unless its reason begins with `OTHER_KIND`."""
    return _refused((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is imported."""
    return _refused((yield))


def _refused(report: Report) -> Report:
    if os.environ.get("CI", "").lower() in ("", "0", "false") or not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(OTHER_KIND):
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing that its machine could run. This was skipped: {reason}"
    return report
