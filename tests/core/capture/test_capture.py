"""From a function or a cell to its capsule; and when a capture that is remembered still holds."""

# a table's row is a line
from __future__ import annotations

import ast
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.torture.notebook import Notebook, opened
from zenbook.core.capsule import Piece
from zenbook.core.capture.capture import capture_cell, captured_function
from zenbook.core.capture.cell import NameRoles
from zenbook.core.capture.names import names_of
from zenbook.engine.steps.capsule_loader import entry_of, loaded
from zenbook.errors import CaptureError


@pytest.fixture
def notebook(workspace: Path) -> Iterator[Notebook]:
    with opened() as notebook:
        notebook.cell("from zenbook import step")
        yield notebook


def call(notebook: Notebook, name: str) -> object:
    capsule = notebook.capsule(name)
    with loaded(capsule) as main:
        return entry_of(capsule, main)()


def test_a_capsule_reads_as_code(notebook: Notebook) -> None:
    notebook.cell(
        "import numpy as np\nK = [1, 2]\ndef helper(x):\n    # doubled\n    return 2 * x\n@step(retries=2)\ndef work():\n    return np.sum(helper(K[0]))"
    )
    source = notebook.capsule("work").source
    assert source == (
        "import numpy as np\n\ndef work():\n    return np.sum(helper(K[0]))\n\nK = [1, 2]\n\n"
        "def helper(x):\n    # doubled\n    return 2 * x\n"
    )


def test_a_capture_is_remembered_as_long_as_it_holds(notebook: Notebook) -> None:
    notebook.cell("K = 1\ndef helper(): return K\ndef work(): return helper()")
    first = notebook.captured("work")
    assert first.holds
    assert notebook.captured("work") is first


@pytest.mark.parametrize(
    "change",
    [
        "K = 2",
        "def helper(): return K + 1",
        "helper.__defaults__ = ()",
        "helper.x = 1",
        "helper.__code__ = (lambda: 7).__code__",
        "del helper",
    ],
)
def test_a_change_lets_go_of_a_remembered_capture(notebook: Notebook, change: str) -> None:
    notebook.cell("K = 1\ndef helper(): return K\ndef work(): return helper()")
    first = notebook.captured("work")
    exec(change, notebook.space)  # not a cell: nothing else tells
    assert not first.holds


@pytest.mark.parametrize("change", ["seen.append(1)", "table['a'].append(1)", "C.x = 2"])
def test_what_can_change_in_place_is_captured_each_time(notebook: Notebook, change: str) -> None:
    notebook.cell("seen = []\ntable = {'a': []}\nclass C:\n    x = 1\ndef work(): return seen, table, C.x")
    first = notebook.captured("work")
    exec(change, notebook.space)
    assert not first.holds
    assert notebook.captured("work").fingerprint != first.fingerprint


def test_an_edited_file_lets_go_of_a_remembered_capture(notebook: Notebook) -> None:
    file = Path("mod.py")
    file.write_text("def f(): return 1\n")
    notebook.cell("import mod\ndef work(): return mod.f()")
    first = notebook.captured("work")
    stamp = file.stat()
    assert first.holds
    file.write_text("def f(): return 2\n")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert not first.holds


def test_a_cell_that_is_run_again_is_the_newest_though_its_file_is_old(notebook: Notebook) -> None:
    """In ipykernel a cell's file is named by its text alone, so `linecache` keeps its first place."""
    notebook.shell.compile.get_code_name = lambda raw, text, number: f"/tmp/ipykernel_1/{abs(hash(text))}.py"
    notebook.cell("from dataclasses import dataclass")
    for order in ("True", "False", "True"):
        notebook.cell(f"@dataclass(order={order})\nclass C:\n    x: int = 1")
    notebook.cell("def work(): return C(1) < C(2)")
    assert call(notebook, "work") is True


def test_what_an_annotation_only_names_is_still_refused_where_it_is_used(notebook: Notebook) -> None:
    notebook.cell(
        "import threading\nlock = threading.Lock()\ndef helper(x: 'lock' = 1): return x\ndef work(): return helper(), lock"
    )
    with pytest.raises(CaptureError, match="`lock`"):
        notebook.capsule("work")
    notebook.cell("def other(): return helper()")
    assert "lock =" not in notebook.capsule("other").source


def test_a_change_of_the_same_size_in_the_same_tick_is_seen(notebook: Notebook) -> None:
    file = Path("mod.py")
    file.write_text("def f(): return 1\n")
    notebook.cell("import mod\ndef work(): return mod.f()")
    assert call(notebook, "work") == 1
    stamp = file.stat()
    file.write_text("def f(): return 2\n")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert call(notebook, "work") == 2
    assert notebook.cell("work()") == 1  # the module in the kernel is the old one; a run goes by the file


def test_a_module_loaded_again_runs_as_it_is_on_disk(notebook: Notebook) -> None:
    Path("mod.py").write_text("from zenbook import step\ndef f(): return 1\n@step\ndef work(): return f()\n")
    notebook.cell("from mod import f, work\ndef other(): return f()")
    assert (call(notebook, "work"), call(notebook, "other")) == (1, 1)
    Path("mod.py").write_text(
        "# longer\nfrom zenbook import step\ndef f(): return 22\n@step\ndef work(): return f() + 1\n"
    )
    importlib.invalidate_caches()
    importlib.reload(sys.modules["mod"])
    assert (call(notebook, "work"), call(notebook, "other")) == (23, 22)
    assert notebook.capsule("work").entry == "mod:work"


def test_a_module_that_is_broken_on_disk_is_named(notebook: Notebook) -> None:
    Path("mod.py").write_text("def f(): return 1\n")
    notebook.cell("import mod\ndef work(): return mod.f()")
    Path("mod.py").write_text("def f(: return 1\n")
    with pytest.raises(CaptureError, match=r"Could not read the module 'mod'"):
        notebook.capsule("work")


@pytest.mark.parametrize(
    "drives",
    [
        "run = training()\nprint(run.state)",
        "for n in range(2):\n    training.options(cache=False)()",
        "if True: training()",
    ],
)
@pytest.mark.parametrize(
    "wires",
    [
        "from zenbook import pipeline, step\n@pipeline\ndef training(): work()",
        "import zenbook as zb\nfrom zenbook import step\n@zb.pipeline(name='t')\ndef training(): work()",
        "from zenbook import step\nfrom wires import training",
    ],
)
def test_a_module_that_runs_a_pipeline_when_imported_is_named(notebook: Notebook, wires: str, drives: str) -> None:
    Path("wires.py").write_text("from zenbook import pipeline as pl\n@pl\ndef training(): ...\n")
    drawn = f"{wires}\n@step\ndef work(): return 1\n"
    Path("guarded.py").write_text(f"{drawn}def main():\n    training()\nif __name__ == '__main__':\n    {drives!r}\n")
    Path("driven.py").write_text(f"{drawn}{drives}\n")
    notebook.cell(
        "import guarded\ndef fine(): return guarded.work()\ndef wrong():\n    import driven\n    driven.work()"
    )
    assert call(notebook, "fine") == 1
    with pytest.raises(CaptureError, match=r"driven\.py, line \d+ runs the pipeline 'training' whenever") as raised:
        notebook.capsule("wrong")
    assert "__main__" in raised.value.hint


def test_a_module_in_a_zip_file_is_named(notebook: Notebook) -> None:
    with ZipFile("lib.zip", "w") as file:
        file.writestr("zipped.py", "def f(): return 1\n")
    sys.path.insert(0, str(Path("lib.zip").resolve()))
    notebook.cell("import zipped\ndef work(): return zipped.f()")
    with pytest.raises(CaptureError, match=r"Could not read the module 'zipped'"):
        notebook.capsule("work")


def test_a_project_elsewhere_on_the_path_travels_as_one_here(
    notebook: Notebook, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As an editable install is: its files are the user's own."""
    root = tmp_path_factory.mktemp("src")
    (root / "edited").mkdir()
    (root / "edited/__init__.py").write_text("from .code import f\n")
    (root / "edited/code.py").write_text("def f(): return 1\n")
    sys.path.insert(0, str(root))
    try:
        notebook.cell("import edited\ndef work(): return edited.f()")
        capsule = notebook.capsule("work")
    finally:
        for name in ("edited", "edited.code"):
            sys.modules.pop(name, None)
    assert [module.name for module in capsule.modules] == ["__main__", "edited", "edited.code"]
    assert capsule.requirements == ()


def test_a_step_of_an_installed_package_is_imported(notebook: Notebook) -> None:
    notebook.cell("from sklearn.metrics import accuracy_score\nwork = step(accuracy_score)")
    capsule = notebook.capsule("work")
    assert capsule.entry.endswith(":accuracy_score")
    assert capsule.modules == ()
    assert "scikit-learn" in dict(capsule.requirements)


@pytest.mark.parametrize("what", ["len", "lambda: 3", "functools.partial(max, 1)", "type('X', (), {})"])
def test_other_callables_as_steps(notebook: Notebook, what: str) -> None:
    notebook.cell(f"import functools\nwork = step({what})")
    if what.startswith("type"):
        with pytest.raises(CaptureError, match="not known"):
            notebook.capsule("work")
        return
    capsule = notebook.capsule("work")
    with loaded(capsule) as main:
        assert callable(entry_of(capsule, main))


def test_names_of_cells_stand_in_messages(notebook: Notebook) -> None:
    notebook.cell("import threading\nlock = threading.Lock()\ndef helper(): return lock\ndef work(): return helper()")
    with pytest.raises(CaptureError) as caught:
        notebook.capsule("work")
    assert (
        caught.value.message.replace("` (bound in a cell) (a cell)", "` (a cell)")
        == "Step 'work' uses `lock` (a cell), which cannot be part of its code: it is a _thread.lock."
    )
    assert "input" in caught.value.hint


# --- cells -----------------------------------------------------------------------------------------------------------


def captured_cell(notebook: Notebook, text: str, provided: tuple[str, ...] = ()) -> tuple[str, frozenset[str]]:
    capsule, used = capture_cell(
        text,
        names_of(ast.parse(text).body),
        notebook.space,
        name="cell",
        roles=NameRoles(frozenset(provided), frozenset(), frozenset()),
        origin=Piece(text),
    )
    return capsule.source, used


def test_a_cell_takes_what_it_reads(notebook: Notebook) -> None:
    notebook.cell("import math\nK = 2\nunused = 5\ndef helper(x): return x * K")
    source, used = captured_cell(notebook, "y = helper(x) + math.pi\nz = y", provided=("x", "y"))
    assert used == {"x"}
    assert "K = 2" in source
    assert "import math" in source
    assert "unused" not in source
    assert source.endswith("# --- cell ---\ny = helper(x) + math.pi\nz = y")


def test_a_cell_reads_what_it_may_not_have_bound(notebook: Notebook) -> None:
    notebook.cell("flag = True\nx = 5")
    source, used = captured_cell(notebook, "if flag:\n    x = 1\ny = x", provided=("x",))
    assert used == {"x"}
    assert "flag = True" in source


def test_what_a_cells_helper_reads_of_other_steps_is_an_input_too(notebook: Notebook) -> None:
    notebook.cell("import pandas as pd\ndf = pd.DataFrame()\ndef helper(): return len(df)")
    source, used = captured_cell(notebook, "n = helper()", provided=("df",))
    assert used == {"df"}
    with pytest.raises(CaptureError, match="`df`"):
        captured_cell(notebook, "n = helper()")


def test_a_cells_own_imports_count(notebook: Notebook) -> None:
    Path("mod.py").write_text("def f(): return 1\n")
    capsule, _ = capture_cell(
        "import mod, numpy\ny = mod.f()",
        names_of(ast.parse("import mod, numpy\ny = mod.f()").body),
        notebook.space,
        name="cell",
        roles=NameRoles(frozenset(), frozenset(), frozenset()),
        origin=Piece(""),
    )
    assert [module.name for module in capsule.modules] == ["__main__", "mod"]
    assert "numpy" in dict(capsule.requirements)


def test_a_function_that_lives_nowhere_is_named() -> None:
    space: dict[str, object] = {"__name__": "__main__"}
    exec("def lost(): return 1", space)
    with pytest.raises(CaptureError, match="not known"):
        captured_function(space["lost"], name="lost")
