"""What packaging promises: imports point down, a whole wheel, quick imports, nothing of one machine in it."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
# "Heavy" means here: dear to import, and of no use before the first run.
HEAVY = set(
    "IPython alembic anywidget click duckdb fsspec ipywidgets matplotlib numpy pandas polars pyarrow pydantic rich "
    "sklearn sqlalchemy".split()
)


def run(*command: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(one) for one in command],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def files_of_the_project() -> list[Path]:
    """What is in git, and what would be after `git add .`"""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout.split("\0")
    return [ROOT / name for name in sorted(set(listed)) if name and (ROOT / name).is_file()]


def package_files() -> list[Path]:
    return [path for path in files_of_the_project() if path.is_relative_to(ROOT / "zenbook")]


def required(*extras: str) -> dict[str, Requirement]:
    """The declared distributions of the package and of some extras, by normalized name."""
    lines = [*PROJECT["dependencies"], *(line for one in extras for line in PROJECT["optional-dependencies"][one])]
    found = {canonicalize_name(one.name): one for one in map(Requirement, lines)}
    for inner in found.pop(canonicalize_name(PROJECT["name"]), Requirement("x")).extras:
        found |= required(inner)
    return found


def test_imports_point_down_the_rooms():
    checked = run(Path(sys.executable).with_name("lint-imports"), "--no-logo")

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_flavour_is_held_independent_of_the_others():
    (contract,) = [one for one in PYPROJECT["tool"]["importlinter"]["contracts"] if one["type"] == "independence"]
    targets = [target for group in PROJECT["entry-points"].values() for target in group.values()]

    rooms = ("zenbook.artifact_stores.", "zenbook.metadata_stores.", "zenbook.orchestrators.")
    flavours = {target.partition(":")[0] for target in targets if target.startswith(rooms)}
    integrations = {".".join(target.split(".")[:3]) for target in targets if target.startswith("zenbook.integrations.")}
    assert set(contract["modules"]) == flavours | integrations


def test_importing_zenbook_imports_nothing_heavy():
    modules = run(sys.executable, "-c", "import sys, zenbook; print(*sys.modules, sep='\\n')")

    assert modules.returncode == 0, modules.stderr
    assert not HEAVY & {name.partition(".")[0] for name in modules.stdout.split()}


def test_the_version_is_said_once():
    assert "version" in PROJECT["dynamic"]
    version = importlib.import_module("zenbook").__version__
    assert importlib.metadata.version("zenbook") == version, "install the project again: make test does"
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize(
    "target",
    [
        *PROJECT["scripts"].values(),
        *(target for group in PROJECT["entry-points"].values() for target in group.values()),
    ],
)
def test_an_entry_point_names_something(target: str):
    module, _, name = target.partition(":")

    assert callable(getattr(importlib.import_module(module), name))


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path):
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())

    assert {str(path.relative_to(ROOT)) for path in package_files()} <= held
    assert "zenbook/py.typed" in held
    assert any(name.startswith("zenbook/metadata_stores/migrations/versions/") for name in held)


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    own = {*sys.stdlib_module_names, "_typeshed", "zenbook"}
    imported = {name for path in package_files() if path.suffix == ".py" for name in imports_of(path)} - own
    named = {
        "yaml": "pyyaml",
        "ruamel": "ruamel.yaml",
        "sklearn": "scikit-learn",
        "IPython": "ipython",
        "PIL": "pillow",
        "google": "cloud-sql-python-connector",
        "azure": "azure-core",
    }
    distributions = {canonicalize_name(named.get(one, one)) for one in imported}
    # Formats, flavours and the like reach these only where the user has them.
    extras = [one for one in PROJECT["optional-dependencies"] if one not in ("test", "dev", "docs")]
    optional = required(*extras).keys()
    optional |= {"numpy", "polars", "pillow"}  # the last comes with matplotlib, whose figures are all that it is for

    assert distributions - required().keys() <= optional
    assert required().keys() <= distributions, "declared, and imported nowhere in zenbook/"


def imports_of(path: Path) -> set[str]:
    """The top-level modules that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


def test_constraints_pin_all_that_the_tests_need_and_nothing_by_address():
    pins = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line), line
        name, _, version = line.partition("==")
        pins[canonicalize_name(name)] = version

    for name, requirement in required("test").items():
        assert requirement.specifier.contains(pins[name]), f"{name}=={pins[name]} is not {requirement}"


def test_no_file_names_a_registry_or_a_folder_of_one_machine():
    hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "debian" + ".org", "crates" + ".io"]
    options = ["--index" + "-url", "--extra-index" + "-url", "--trusted" + "-host"]
    folders = re.compile(r"(?<![\w.~-])/(?:(?:work|root)/|(?:Users|home)/(?!me\b|you\b))\w")
    found = []
    for path in files_of_the_project():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:  # a picture
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if any(one in line for one in (*hosts, *options)) or folders.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")

    assert not found, "\n".join(found)


def test_scripts_can_be_executed():
    scripts = [path for path in files_of_the_project() if path.read_bytes().startswith(b"#!")]

    assert ROOT / ".ci" / "run" in scripts
    assert [path for path in scripts if not os.access(path, os.X_OK)] == []


def test_an_old_python_is_refused_in_one_line(tmp_path: Path):
    refused = run(ROOT / "tests" / "setup" / "venv.sh", tmp_path / "venv", PYTHON="false")

    assert refused.returncode == 1
    assert refused.stderr == "PYTHON=false is no Python >= 3.11: name one that is.\n"
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(("ci", "outcome"), [("true", "1 failed, 2 skipped"), ("", "4 skipped")])
def test_ci_skips_nothing_that_its_machine_could_run(tmp_path: Path, ci: str, outcome: str):
    (tmp_path / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    for name, reason in [("bare", "the browser is away"), ("right", "not on this machine's kind: no Python 3.13 here")]:
        skip = f"pytest.skip({reason!r}, allow_module_level=True)"
        (tmp_path / f"test_{name}_module.py").write_text(f"import pytest\n{skip}\n", "utf-8")
        (tmp_path / f"test_{name}.py").write_text(f"import pytest\ndef test_it():\n    {skip}\n", "utf-8")
    options = ["-p", "no:cacheprovider", "--continue-on-collection-errors"]

    ran = run(sys.executable, "-m", "pytest", *options, cwd=tmp_path, CI=ci, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    assert outcome in ran.stdout.splitlines()[-1], ran.stdout


def test_the_demo_runs_a_notebook_and_says_which_cell_failed(tmp_path: Path):
    runner = tmp_path / "notebooks" / "run_demo.py"
    runner.parent.mkdir()
    runner.write_bytes((ROOT / "notebooks" / "run_demo.py").read_bytes())
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("# sum\n6 * 7")])
    source = runner.with_name("01_quickstart.ipynb")
    nbformat.write(notebook, source)
    committed = source.read_bytes()

    good = run(sys.executable, runner)

    assert good.returncode == 0, good.stderr
    assert "In [1] 6 * 7" in good.stdout
    assert "    42\n" in good.stdout
    assert source.read_bytes() == committed
    assert nbformat.read(tmp_path / ".demo" / source.name, 4).cells[0].outputs

    notebook.cells.append(nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, source)

    bad = run(sys.executable, runner)

    assert bad.returncode == 1
    assert "In [2] 1 / 0" in bad.stdout
    assert "This cell failed: ZeroDivisionError: division by zero" in bad.stderr
