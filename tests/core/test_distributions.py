"""Which distribution a module belongs to, checked against what is installed here."""

# a table's row is a line
from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from zenbook.core.distributions import find_module, installed_distributions, is_installed, is_stdlib, version_of


@pytest.mark.parametrize(
    ("module", "distribution"),
    [("numpy", "numpy"), ("numpy.linalg", "numpy"), ("sklearn", "scikit-learn"), ("sklearn.svm", "scikit-learn"), ("yaml", "pyyaml"), ("PIL", "pillow"),
     ("dateutil", "python-dateutil"), ("IPython.display", "ipython"), ("pandas", "pandas"), ("blake3", "blake3"), ("typing_extensions", "typing-extensions")],
)  # fmt: skip
def test_a_module_has_the_version_of_its_distribution(module: str, distribution: str) -> None:
    assert version_of(module) == (distribution, importlib.metadata.version(distribution))


@pytest.mark.parametrize("module", ["sys", "json", "os.path", "no_module_of_that_name", "numpy.no_such_part"])
def test_what_is_not_installed_has_no_version(module: str) -> None:
    assert version_of(module) is None or module.startswith("numpy")


def test_pythons_own_modules_are_recognised() -> None:
    assert is_stdlib("json.decoder")
    assert not is_stdlib("numpy")
    assert is_installed(find_module("json").origin)
    assert is_installed(find_module("numpy").origin)
    assert not is_installed(str(Path(__file__)))


def test_finding_a_module_imports_nothing() -> None:
    sys.modules.pop("xml.sax.saxutils", None)
    assert find_module("xml.sax.saxutils") is not None
    assert "xml.sax.saxutils" not in sys.modules


def test_all_installed_distributions_are_those_that_metadata_knows() -> None:
    ours = installed_distributions()
    theirs = {
        one.name.lower().replace("_", "-").replace(".", "-"): one.version for one in importlib.metadata.distributions()
    }
    assert {name: ours.get(name) for name in theirs} == theirs


def test_a_module_that_no_distribution_claims_counts_by_all_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site-packages"
    (folder / "alone").mkdir(parents=True)
    (folder / "alone/__init__.py").write_text("")
    (folder / "alone/code.py").write_text("x = 1")
    monkeypatch.syspath_prepend(folder)
    name, version = version_of("alone")
    (folder / "alone/code.py").write_text("x = 2")
    (folder / "touched").mkdir()  # as an installation does
    assert name == "alone"
    assert version
    assert version_of("alone") != (name, version)
