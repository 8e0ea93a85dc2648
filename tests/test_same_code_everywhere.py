"""Promises 1 and 3: what runs in the notebook runs elsewhere, and no step sees what another does to its input."""

# a table's row is a line
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.torture.notebook import Notebook, opened
from zenbook.engine.steps.step_runner import HIDDEN
from zenbook.errors import CaptureError, ZenbookError
from zenbook.stack.records import RunQuery
from zenbook.stack.stack import open_stack

HERE = Path(__file__).parent
TORTURE = HERE / "torture" / "torture.ipynb"
TUTORIALS = sorted((HERE.parent / "notebooks").glob("*.ipynb"))
# 02's servers end with it, and it compares digests itself; 04 exports, and runs nothing here.
TUTORIALS = [one for one in TUTORIALS if one.stem not in ("02_stacks", "04_airflow")]
NOTEBOOKS = [TORTURE, *TUTORIALS]  # they run from top to bottom; what lies beside one in `project` is its project


@pytest.fixture
def notebook(workspace: Path) -> Iterator[Notebook]:
    with opened() as made:
        made.cell("from zenbook import step, pipeline")
        yield made


def executed(notebook: Path, folder: Path) -> None:
    """Run a notebook in a real kernel, in a folder that holds its project, if it has one."""
    if (notebook.parent / "project").is_dir():
        shutil.copytree(notebook.parent / "project", folder, dirs_exist_ok=True)
    body = nbformat.read(notebook, as_version=4)
    NotebookClient(body, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()


def replayed(folder: Path, elsewhere: Path, run: str) -> dict[str, dict[str, list[str]]]:
    """Run the capsules of a run's steps in clean processes, in another folder, without the project."""
    elsewhere.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["ZENBOOK_WORKSPACE"] = str(folder / ".zen")
    script = [sys.executable, "-P", str(HERE / "torture" / "replay.py"), run]
    done = subprocess.run(script, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_capsule_gives_in_a_clean_process_what_the_notebook_got(
    notebook: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    executed(notebook, workspace)
    metadata = open_stack().metadata
    runs = metadata.runs(RunQuery())
    assert runs
    for number, record in enumerate(runs[:: -(-len(runs) // 8)]):  # eight of a sweep's runs say what all do
        recorded: dict[str, dict[str, str]] = {}
        for one in metadata.outputs([record.id]):
            if one.name not in HIDDEN:
                recorded.setdefault(one.step, {})[one.name] = one.digest
        found = replayed(workspace, tmp_path_factory.mktemp("elsewhere") / str(number), record.id)
        assert found.keys() == recorded.keys()
        for step, outputs in recorded.items():
            assert {name: facts[0] for name, facts in found[step].items()} == outputs, (step, found[step])


# --- what cannot travel is named before anything runs -----------------------------------------------------------------

REFUSED = [
    # what, cell before, body of the step, words of the message
    ("frame", "import pandas as pd\ndf = pd.DataFrame({'a': [1]})", "return df", ["`df`", "DataFrame"]),
    ("column of a frame", "import pandas as pd\ndf = pd.DataFrame({'a': [1]})", "return df.a.sum()", ["`df`", "DataFrame"]),
    ("connection", "import sqlite3\ndb = sqlite3.connect(':memory:')", "return db.execute('select 1')", ["`db`", "Connection"]),
    ("generator", "rows = (i for i in range(3))", "return list(rows)", ["`rows`", "generator"]),
    ("lock", "import threading\nlock = threading.Lock()", "return lock.locked()", ["`lock`", "lock"]),
    ("open file", "file = open('x.txt', 'w')", "return file.name", ["`file`", "TextIOWrapper"]),
    ("iterator", "numbers = iter([1, 2])", "return next(numbers)", ["`numbers`", "iterator"]),
    ("instance", "class C:\n    pass\nc = C()", "return c", ["`c`", "C"]),
    ("instance in a list", "class C:\n    pass\nc = [1, C()]", "return c", ["`c`", "holds a C"]),
    ("model", "from sklearn.svm import SVC\nmodel = SVC()", "return model.C", ["`model`", "SVC"]),
    ("big array", "import numpy as np\nbig = np.zeros(100_000)", "return big.sum()", ["`big`", "100000"]),
    ("list that holds itself", "loop = []\nloop.append(loop)", "return len(loop)", ["`loop`", "itself"]),
    ("shell line", "", "files = !ls\n    return files", ["IPython", "`!shell`"]),
    ("magic", "", "%time 1\n    return 1", ["IPython"]),
    ("get_ipython", "", "return get_ipython()", ["IPython"]),
    ("magic in a helper", "def helper():\n    return get_ipython()", "return helper()", ["IPython", "cell"]),
    (
        "singledispatch",
        "import functools\n@functools.singledispatch\ndef show(x): return 1\n@show.register\ndef _(x: int): return 2",
        "return show(1)",
        ["`show`", "singledispatch"],
    ),
    ("assigned global", "count = 0", "global count\n    count = 1\n    return count", ["`count`", "assigns"]),
    ("global assigned by a helper", "n = 0\ndef bump():\n    global n\n    n += 1", "bump()\n    return 1", ["`n`", "assigns"]),
    ("global list", "seen = []", "seen.append(1)\n    return 1", ["`seen`", "changes"]),
    ("global dict", "seen = {}", "seen['a'] = 1\n    return 1", ["`seen`", "changes"]),
    ("global dict deep down", "seen = {'a': []}", "seen['a'].append(1)\n    return 1", ["`seen`", "changes"]),
    ("deleted item", "seen = {'a': 1}", "del seen['a']\n    return 1", ["`seen`", "changes"]),
    ("augmented item", "seen = {'a': 1}", "seen['a'] += 1\n    return 1", ["`seen`", "changes"]),
    ("global's attribute", "class C:\n    n = 0", "C.n += 1\n    return 1", ["`C`", "changes"]),
    (
        "global changed by a method",
        "seen = []\nclass C:\n    def m(self): seen.append(1)",
        "C().m()\n    return 1",
        ["`seen`", "changes"],
    ),
    ("local class", "def make():\n    class L:\n        pass\n    return L\nL = make()", "return L()", ["`L`", "within a function"]),
    ("class made by a call", "L = type('L', (), {'x': 1})", "return L.x", ["`L`", "not known"]),
    ("exec", "exec('def made(): return 1')", "return made()", ["`made`", "exec"]),
    ("eval", "made = eval('lambda: 1')", "return made()", ["`made`", "exec"]),
    ("pipeline", "@pipeline\ndef other(): pass", "return other()", ["pipeline 'other'"]),
    ("notebook's module", "import sys\nme = sys.modules['__main__']", "return me", ["`me`"]),
    ("module made by hand", "import types\nhand = types.ModuleType('hand')", "return hand", ["`hand`", "cannot be imported"]),
    ("patched module", "import textwrap\ntextwrap.dedent = lambda x: 'p'", "return textwrap.dedent('a')", ["`textwrap.dedent`"]),
    ("bound method", "class C:\n    def m(self): return 1\nm = C().m", "return m()", ["`m`"]),
    ("generator's method", "import numpy as np\ndraw = np.random.default_rng(0).normal", "return draw()", ["`draw`"]),
    ("captured frame", "import pandas as pd\ndef make(d):\n    def f(): return len(d)\n    return f\nf = make(pd.DataFrame())", "return f()", ["`d`", "`f`"]),
    (
        "shared variable",
        "def make():\n    n = 0\n    def bump():\n        nonlocal n\n        n += 1\n    def get(): return n\n    return bump, get\n"
        "bump, get = make()",
        "bump()\n    return get()",
        ["`bump`", "`get`", "`n`"],
    ),
    ("method put into a class", "class C:\n    def m(self): return 1\nC.m = lambda self: 2", "return C().m()", ["`C`", "`m`"]),
    ("attribute put into a class", "class C:\n    pass\nC.extra = 2", "return C().extra", ["`C`", "`extra`"]),
    (
        "base class defined again",
        "class B:\n    x = 1\nclass C(B):\n    pass\nclass B:\n    x = 2",
        "return C.x",
        ["`C`", "`B`", "again"],
    ),
    ("default that is an object", "", "return x", ["the default of `x`", "object"], "x=object()"),
    ("callable object", "class F:\n    def __call__(self): return 1\nf = F()", "return f()", ["`f`"]),
    ("future", "from concurrent.futures import Future\nf = Future()", "return f", ["`f`", "Future"]),
    ("weak reference", "import weakref\nclass C: pass\nc = C()\nw = weakref.ref(c)", "return w()", ["`w`"]),
    ("dataclass with a __post_init__", "from dataclasses import dataclass\n@dataclass\nclass D:\n    a: int\n    def __post_init__(self): self.a *= 2\nd = D(1)", "return d.a", ["`d`"]),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda one: one[0].replace(" ", "-"))
def test_what_cannot_travel_is_named_before_anything_runs(
    notebook: Notebook, case: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(textwrap, "dedent", textwrap.dedent)  # one of the cases replaces it: put back afterwards
    _, before, body, words, *parameters = case
    notebook.cell(before)
    notebook.cell("ran = []\n@step\ndef first(): print('ran'); return 1")
    notebook.cell(f"@step\ndef culprit({', '.join(parameters)}):\n    {body}\n")
    notebook.cell("@pipeline\ndef flow(): first(); culprit()")
    with pytest.raises(CaptureError) as caught:
        notebook.cell("flow()")
    assert caught.value.hint
    if case[0] != "pipeline":
        assert "'culprit'" in caught.value.message
    for word in words:
        assert word in str(caught.value)
    assert not open_stack().metadata.runs(RunQuery())


def test_a_generator_is_refused_as_a_step(notebook: Notebook) -> None:
    with pytest.raises(ZenbookError, match="generator"):
        notebook.cell("@step\ndef rows():\n    yield 1")


def test_a_project_module_that_needs_its_file_is_named_before_anything_runs(notebook: Notebook) -> None:
    Path("beside.py").write_text(
        "from pathlib import Path\nHERE = Path(__file__).parent\n\ndef where():\n    return HERE\n"
    )
    notebook.cell("import beside\n@step\ndef culprit(): return beside.where()\n@pipeline\ndef flow(): culprit()")
    with pytest.raises(CaptureError, match=r"beside.py.*__file__"):
        notebook.cell("flow()")


# --- promise 3 -------------------------------------------------------------------------------------------------------

OBJECTS = [
    ("frame", "pd.DataFrame({'a': [1, 2]})", "x.loc[0, 'a'] = 9; x['b'] = 1"),
    (
        "frame's memory",
        "pd.DataFrame({'a': [1.0, 2.0]})",
        "x['a'].to_numpy(copy=False).setflags(write=True); x.iloc[0, 0] = 9",
    ),
    ("array", "np.arange(3)", "x[0] = 9"),
    ("list", "[1, [2]]", "x[1].append(3)"),
    ("dict", "{'a': {'b': 1}}", "x['a']['b'] = 2"),
    ("set", "{1}", "x.add(2)"),
    ("bytearray", "bytearray(b'ab')", "x[0] = 0"),
    ("model", "LinearRegression().fit([[0], [1]], [0, 1])", "x.coef_[0] = 9; x.extra = 1"),
    ("notebook's object", "Thing()", "x.values.append(2)"),
]


@pytest.mark.parametrize(("make", "change"), [one[1:] for one in OBJECTS], ids=[one[0] for one in OBJECTS])
@pytest.mark.parametrize("passed", ["output", "given"])
def test_no_step_sees_what_another_does_to_its_input(notebook: Notebook, make: str, change: str, passed: str) -> None:
    notebook.cell("import numpy as np, pandas as pd\nfrom sklearn.linear_model import LinearRegression")
    notebook.cell(
        "class Thing:\n    def __init__(self): self.values = [1]\n    def __repr__(self): return repr(self.values)"
    )
    notebook.cell('def show(x): return f\'{x!r} {getattr(x, "coef_", None)} {getattr(x, "extra", None)}\'')
    notebook.cell(f"@step\ndef make(): return {make}")
    notebook.cell(f"@step\ndef change(x):\n    {change}\n    return show(x)")
    notebook.cell("@step\ndef look(x, after): return show(x)")
    source = "x = make()" if passed == "output" else ""
    notebook.cell(f"@pipeline\ndef flow(x=None):\n    {source}\n    look(x, change(x)); change(x); look(x, 0)")
    notebook.cell(f"mine = {make}\nwas = show(mine)")
    run = notebook.cell("flow(mine)" if passed == "given" else "flow()")
    value = {name: run.steps[name].outputs["output"].load() for name in ("look", "look_2", "change", "change_2")}
    assert value["look"] == value["look_2"] == notebook["was"]
    assert value["change"] == value["change_2"] != notebook["was"]
    assert notebook.cell("show(mine)") == notebook["was"]


def test_no_step_draws_on_a_figure_that_another_has_left_open(notebook: Notebook) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    mine = plt.figure()
    try:
        notebook.cell("import matplotlib.pyplot as plt\n@step\ndef one():\n    plt.plot([1, 2])\n    return plt.gcf()")
        notebook.cell("@step\ndef two(figure):\n    plt.plot([3])\n    return len(plt.gca().lines), plt.gcf().number")
        notebook.cell("@pipeline\ndef drawn(): two(one())")
        assert notebook.cell("drawn()").outputs["two"]["output"].load() == (1, 1)
        assert plt.gcf() is mine
    finally:
        plt.close(mine)


def test_changing_what_was_loaded_from_a_run_changes_no_artifact(notebook: Notebook) -> None:
    notebook.cell("import numpy as np\n@step\ndef make(): return np.arange(3)\n@step\ndef look(x): return x.tolist()")
    notebook.cell("@pipeline\ndef flow(): look(make())")
    notebook.cell("run = flow()\nloaded = run.steps['make'].outputs['output'].load()\nloaded[0] = 9")
    assert notebook.cell("flow.options(cache=False)().steps['look'].outputs['output'].load()") == [0, 1, 2]
    assert notebook.cell("run.steps['make'].outputs['output'].load().tolist()") == [0, 1, 2]
