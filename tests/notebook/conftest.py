"""A kernel for the step cells of one test file, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.kernels import Kernel, kernel


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(tmp_path_factory.mktemp("cells")) as one:
        yield one


@pytest.fixture
def k(shared: Kernel, tmp_path: Path) -> Kernel:
    """A kernel whose notebook and workspace are empty."""
    shared.run(f"%reset -f\nimport os; os.chdir({str(tmp_path)!r})")
    shared.run("get_ipython().__dict__.pop('_zenbook_steps', None)\n%load_ext zenbook")
    return shared
