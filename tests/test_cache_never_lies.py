"""Promise 2: each row is an edit, and whether the step must run again after it.

The cells run in a real IPython shell, the pipeline runs on a local stack, and its step run says whether it was served
from the cache. Where it must run again, its result must also be the new one.
"""

# a table's row is a line
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.torture.notebook import Notebook, opened

RERUNS, HOLDS = "succeeded", "cached"


@dataclass(frozen=True)
class Edit:
    """Cells before and after; ``work`` is the step that is watched, `flow` the pipeline."""

    what: str
    before: str
    after: str
    state: str
    step: str = "@step\ndef work():\n    return {expression}"
    expression: str = "helper()"
    files: dict[str, str] = field(default_factory=dict)  # project files before
    edited: dict[str, str] = field(default_factory=dict)  # and after
    call: str = "flow()"
    flow: str = "@pipeline\ndef flow():\n    work()"
    again: bool = False  # whether the cell of the step is executed again too


def helper(body: str) -> str:
    return f"def helper():\n    return {body}"


NOTEBOOK_EDITS = [
    Edit("nothing", helper("1"), "", HOLDS),
    Edit("the same cells again", helper("1"), helper("1"), HOLDS, again=True),
    Edit("helper", helper("1"), helper("2"), RERUNS),
    Edit("helper, the same text again", helper("1"), helper("1"), HOLDS),
    Edit("helper of a helper", "def deep(): return 1\n" + helper("deep()"), "def deep(): return 2", RERUNS),
    Edit("constant", "K = 1\n" + helper("K"), "K = 2", RERUNS),
    Edit("constant of another type", "K = 1\n" + helper("repr(K)"), "K = 1.0", RERUNS),
    Edit("constant that is only equal", "K = 1\n" + helper("repr(K)"), "K = True", RERUNS),
    Edit("negative zero", "K = 0.0\n" + helper("str(K)"), "K = -0.0", RERUNS),
    Edit("constant list changed in place", "K = [1]\n" + helper("sum(K)"), "K.append(5)", RERUNS),
    Edit("constant dict changed in place", "K = {'a': [1]}\n" + helper("len(K['a'])"), "K['a'] += [2]", RERUNS),
    Edit("order of a constant dict", "K = dict(a=1, b=2)\n" + helper("list(K)"), "K = dict(b=2, a=1)", RERUNS),
    Edit("order of a constant set", "K = {3, 1}\n" + helper("sorted(K)"), "K = {1, 3}", HOLDS),
    Edit(
        "constant array changed in place",
        "import numpy as np\nK = np.arange(3)\n" + helper("int(K.sum())"),
        "K[0] = 9",
        RERUNS,
    ),
    Edit("default argument", "def helper(a=1):\n    return a", "def helper(a=2):\n    return a", RERUNS),
    # The next three keep their value; a text that is mended to say so is another text.
    Edit("constant behind a default argument", "K = 1\ndef helper(a=K):\n    return a", "K = 2", RERUNS),
    Edit(
        "default list changed in place",
        "def helper(a=[1]):\n    return len(a)",
        "helper.__defaults__[0].append(2)",
        RERUNS,
    ),
    Edit("defaults replaced", "def helper(a=1):\n    return a", "helper.__defaults__ = (2,)", RERUNS),
    Edit("keyword-only default", "def helper(*, a=1):\n    return a", "def helper(*, a=2):\n    return a", RERUNS),
    Edit("keyword-only default changed", "def helper(*, a=1):\n    return a", "helper.__kwdefaults__['a'] = 2", RERUNS),
    Edit(
        "closure cell",
        "def make(n):\n    def inner():\n        return n\n    return inner\nhelper = make(1)",
        "helper = make(2)",
        RERUNS,
    ),
    Edit(
        "closure cell rebound",
        "def make():\n    n = 0\n    def inner():\n        return n\n    def bump():\n        nonlocal n\n        n += 1\n"
        "    return inner, bump\nhelper, bump = make()",
        "bump()",
        RERUNS,
    ),
    Edit(
        "list in a closure",
        "def make(n):\n    def inner():\n        return len(n)\n    return inner\nfound = []\nhelper = make(found)",
        "found.append(1)",
        RERUNS,
    ),
    Edit(
        "base class",
        "class Base:\n    x = 1\nclass C(Base): pass",
        "class Base:\n    x = 2\nclass C(Base): pass",
        RERUNS,
        expression="C.x",
    ),
    Edit("class attribute", "class C:\n    x = 1", "class C:\n    x = 2", RERUNS, expression="C.x"),
    Edit("class attribute assigned later", "class C:\n    x = 1", "C.x = 2", RERUNS, expression="C.x"),
    Edit("constant behind a class attribute", "K = 1\nclass C:\n    x = K", "K = 2", RERUNS, expression="C.x"),
    Edit(
        "method",
        "class C:\n    def m(self): return 1",
        "class C:\n    def m(self): return 2",
        RERUNS,
        expression="C().m()",
    ),
    Edit(
        "constant behind a method's default",
        "K = 1\nclass C:\n    def m(self, k=K * 2): return k",
        "K = 2",
        RERUNS,
        expression="C().m()",
    ),
    Edit(
        "static method",
        "class C:\n    @staticmethod\n    def m(): return 1",
        "class C:\n    @staticmethod\n    def m(): return 2",
        RERUNS,
        expression="C.m()",
    ),
    Edit(
        "property",
        "class C:\n    @property\n    def m(self): return 1",
        "class C:\n    @property\n    def m(self): return 2",
        RERUNS,
        expression="C().m",
    ),
    Edit(
        "decorator",
        "def deco(f):\n    def inner(): return f() + 1\n    return inner\n@deco\ndef helper(): return 1",
        "def deco(f):\n    def inner(): return f() + 2\n    return inner\n@deco\ndef helper(): return 1",
        RERUNS,
    ),
    Edit(
        "decorator with wraps",
        "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(): return f() + 1\n    return inner\n"
        "@deco\ndef helper(): return 1",
        "def deco(f):\n    @functools.wraps(f)\n    def inner(): return f() + 2\n    return inner\n@deco\ndef helper(): return 1",
        RERUNS,
    ),
    Edit(
        "decorator's helper",
        "import functools\ndef plus(x): return x + 1\ndef deco(f):\n    @functools.wraps(f)\n"
        "    def inner(): return plus(f())\n    return inner\n@deco\ndef helper(): return 1",
        "def plus(x): return x + 2",
        RERUNS,
    ),
    Edit(
        "decorator's argument",
        "def times(n):\n    def deco(f):\n        def inner(): return f() * n\n        return inner\n    return deco\n"
        "@times(2)\ndef helper(): return 1",
        "@times(3)\ndef helper(): return 1",
        RERUNS,
    ),
    Edit(
        "a decorator below @step",
        "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(): return f() + 1\n    return inner",
        "def deco(f):\n    @functools.wraps(f)\n    def inner(): return f() + 2\n    return inner",
        RERUNS,
        step="@step\n@deco\ndef work(): return 1",
        again=True,
    ),
    Edit("import alias", "import math as m\n" + helper("m.sqrt(4)"), "import cmath as m", RERUNS),
    Edit("from-import", "from math import floor as f\n" + helper("f(1.5)"), "from math import ceil as f", RERUNS),
    Edit("another import of the same", "import math\n" + helper("math.pi"), "from math import tau", HOLDS),
    Edit("lambda", "helper = lambda: 1", "helper = lambda: 2", RERUNS),
    Edit("lambda's constant", "K = 1\nhelper = lambda: K", "K = 2", RERUNS),
    Edit(
        "one of two lambdas in a line", "f, helper = lambda: 1, lambda: 2", "f, helper = lambda: 2, lambda: 1", RERUNS
    ),
    Edit(
        "the other of two lambdas in a line",
        "f, helper = lambda: 1, lambda: 2",
        "f, helper = lambda: 5, lambda: 2",
        HOLDS,
    ),
    Edit(
        "partial's argument",
        "from functools import partial\ndef f(a): return a\nhelper = partial(f, 1)",
        "helper = partial(f, 2)",
        RERUNS,
    ),
    Edit(
        "partial's function",
        "from functools import partial\ndef f(a): return a\nhelper = partial(f, 1)",
        "def f(a): return -a\nhelper = partial(f, 1)",
        RERUNS,
    ),
    Edit(
        "enum member",
        "import enum\nclass E(enum.Enum):\n    A = 1",
        "class E(enum.Enum):\n    A = 2",
        RERUNS,
        expression="E.A.value",
    ),
    Edit(
        "functional enum",
        "import enum\nE = enum.Enum('E', 'A B')",
        "E = enum.Enum('E', 'B A')",
        RERUNS,
        expression="E.A.value",
    ),
    Edit(
        "dataclass field",
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    a: int = 1",
        "@dataclass\nclass D:\n    a: int = 2",
        RERUNS,
        expression="D().a",
    ),
    Edit(
        "dataclass instance",
        "from dataclasses import dataclass\n@dataclass\nclass D:\n    a: int = 1\nd = D(1)",
        "d.a = 2",
        RERUNS,
        expression="d.a",
    ),
    Edit(
        "NamedTuple",
        "from typing import NamedTuple\nclass N(NamedTuple):\n    a: int = 1",
        "class N(NamedTuple):\n    a: int = 2",
        RERUNS,
        expression="N().a",
    ),
    Edit(
        "functional namedtuple",
        "from collections import namedtuple\nN = namedtuple('N', 'a b', defaults=[1, 2])",
        "N = namedtuple('N', 'a b', defaults=[1, 3])",
        RERUNS,
        expression="N().b",
    ),
    Edit(
        "nested function",
        "def helper():\n    def inner(): return 1\n    return inner()",
        "def helper():\n    def inner(): return 2\n    return inner()",
        RERUNS,
    ),
    Edit(
        "a global rebound to another function", "def f(): return 1\ndef g(): return 2\nhelper = f", "helper = g", RERUNS
    ),
    Edit("a global that shadows a builtin", helper("len('abc')"), "def len(x): return 7", RERUNS),
    Edit("a name that appears", helper("K if 'K' in globals() else 0"), "K = 2", RERUNS),
    Edit(
        "lru_cache's size",
        "import functools\n@functools.lru_cache(1)\ndef helper(): return 1",
        "@functools.lru_cache(2)\ndef helper(): return 1",
        RERUNS,
    ),
    Edit(
        "a wrapped function",
        "import functools\ndef f(): return 1\nhelper = functools.cache(f)",
        "def f(): return 2\nhelper = functools.cache(f)",
        RERUNS,
    ),
    Edit("function attribute", "def helper(): return helper.k\nhelper.k = 1", "helper.k = 2", RERUNS),
    Edit("a comment", helper("1"), "def helper():\n    # why\n    return 1  # because", HOLDS),
    Edit("blank lines", helper("1"), "\n\n\ndef helper():\n\n\n    return 1\n", HOLDS),
    Edit("line breaks", helper("max(1, 2)"), "def helper():\n    return max(\n        1,\n        2,\n    )", HOLDS),
    Edit("quotes", helper("'a'"), 'def helper():\n    return "a"', HOLDS),
    Edit("f-string's quotes", helper("f'a{1}b'"), 'def helper():\n    return f"a{1}" "b"', HOLDS),
    Edit("spelling of a number", helper("1000"), helper("1_000"), HOLDS),
    Edit("docstring", helper("helper.__doc__"), 'def helper():\n    "doc"\n    return helper.__doc__', RERUNS),
    Edit("type annotation", helper("1"), "def helper() -> int:\n    return 1", RERUNS),
    Edit(
        "name of a local variable",
        "def helper():\n    a = 1\n    return a",
        "def helper():\n    b = 1\n    return b",
        RERUNS,
    ),
    Edit("the step itself", "K = 1", "@step\ndef work():\n    return 2", RERUNS, expression="1"),
    Edit(
        "another step",
        "@step\ndef other(): return 1",
        "@step\ndef other(): return 2",
        HOLDS,
        expression="5",
        flow="@pipeline\ndef flow():\n    other(); work()",
    ),
    Edit(
        "an unread import of the same package",
        "import numpy as np\n" + helper("int(np.sqrt(4))"),
        "from numpy import linalg",
        HOLDS,
    ),
    Edit(
        "number of retries",
        "",
        "@step(retries=3, timeout='1m')\ndef work(): return 1",
        HOLDS,
        step="@step\ndef work(): return 1",
    ),
    Edit(
        "names of outputs",
        "",
        "@step(outputs='b')\ndef work(): return 1",
        RERUNS,
        step="@step(outputs='a')\ndef work(): return 1",
    ),
    Edit(
        "a step's helper that is a step",
        "@step\ndef one(): return 1",
        "@step\ndef one(): return 2",
        RERUNS,
        expression="one()",
    ),
    Edit(
        "instance's method's helper",
        "from dataclasses import dataclass\ndef f(): return 1\n@dataclass\nclass D:\n    a: int\n    def m(self): return f()\nd = D(1)",
        "def f(): return 2",
        RERUNS,
        expression="d.m()",
    ),
]

FILES = {
    "tool.py": "K = 1\n\ndef one():\n    return K\n\ndef unreached():\n    return 1\n",
    "pack/__init__.py": "from .inner import value\n",
    "pack/inner.py": "from . import deep\n\ndef value():\n    return deep.number()\n",
    "pack/deep.py": "def number():\n    return 1\n",
    "effect.py": "TABLE = {}\nTABLE['a'] = 1\n\ndef read():\n    return TABLE['a']\n",
    "registry.py": "KNOWN = {}\n\ndef register(f):\n    KNOWN[f.__name__] = f\n    return f\n\n@register\ndef a():\n    return 1\n\n"
    "def call():\n    return KNOWN['a']()\n",
    "space/part.py": "def one():\n    return 1\n",
    "cond.py": "try:\n    import nothing_of_that_name as fast\nexcept ImportError:\n    fast = None\n\nif fast:\n    def one():\n        return 3\n"
    "else:\n    def one():\n        return 1\n",
    "klass.py": "class Base:\n    def m(self):\n        return 1\n\nclass C(Base):\n    pass\n",
}


def of_files(what: str, cell: str, expression: str, state: str, **edited: str) -> Edit:
    named = {name.replace("__", "/").replace("/init/", "/__init__") + ".py": text for name, text in edited.items()}
    return Edit(what, cell, "", state, expression=expression, files=FILES, edited=named)


PROJECT_EDITS = [
    of_files("module's function", "import tool", "tool.one()", RERUNS, tool="K = 1\n\ndef one():\n    return K + 1\n"),
    of_files("module's constant", "import tool", "tool.one()", RERUNS, tool=FILES["tool.py"].replace("K = 1", "K = 2")),
    of_files(
        "module's unreached function",
        "import tool",
        "tool.one()",
        HOLDS,
        tool=FILES["tool.py"].replace("return 1", "return 2"),
    ),
    of_files("module's comment", "import tool", "tool.one()", HOLDS, tool="# new\n" + FILES["tool.py"]),
    of_files(
        "from-imported function",
        "from tool import one",
        "one()",
        RERUNS,
        tool=FILES["tool.py"].replace("K = 1", "K = 2"),
    ),
    of_files(
        "from-imported constant", "from tool import K", "K", RERUNS, tool=FILES["tool.py"].replace("K = 1", "K = 2")
    ),
    of_files("starred import", "from tool import *", "one()", RERUNS, tool=FILES["tool.py"].replace("K = 1", "K = 2")),
    of_files(
        "import in a function",
        "def late():\n    from tool import one\n    return one()",
        "late()",
        RERUNS,
        tool=FILES["tool.py"].replace("K = 1", "K = 2"),
    ),
    of_files("package's submodule", "import pack", "pack.value()", RERUNS, pack__deep="def number():\n    return 2\n"),
    of_files(
        "relative import", "from pack.inner import value", "value()", RERUNS, pack__deep="def number():\n    return 2\n"
    ),
    of_files(
        "re-exported function", "from pack import value", "value()", RERUNS, pack__inner="def value():\n    return 5\n"
    ),
    of_files(
        "module's side effect",
        "import effect",
        "effect.read()",
        RERUNS,
        effect=FILES["effect.py"].replace("= 1", "= 2"),
    ),
    of_files(
        "registered function",
        "import registry",
        "registry.call()",
        RERUNS,
        registry=FILES["registry.py"].replace("return 1", "return 2"),
    ),
    of_files(
        "namespace package", "from space.part import one", "one()", RERUNS, space__part="def one():\n    return 2\n"
    ),
    of_files(
        "conditional definition",
        "import cond",
        "cond.one()",
        RERUNS,
        cond=FILES["cond.py"].replace("return 1", "return 2"),
    ),
    of_files(
        "base class in a module",
        "from klass import C",
        "C().m()",
        RERUNS,
        klass=FILES["klass.py"].replace("return 1", "return 2"),
    ),
    of_files(
        "notebook class with a base in a module",
        "import klass\nclass D(klass.C): pass",
        "D().m()",
        RERUNS,
        klass=FILES["klass.py"].replace("return 1", "return 2"),
    ),
]


@pytest.fixture
def notebook(workspace: Path) -> Iterator[Notebook]:
    with opened() as made:
        made.cell("from zenbook import step, pipeline")
        yield made


@pytest.mark.parametrize("edit", [*NOTEBOOK_EDITS, *PROJECT_EDITS], ids=lambda one: one.what.replace(" ", "-"))
def test_a_step_runs_again_if_and_only_if_what_it_does_may_have_changed(notebook: Notebook, edit: Edit) -> None:
    write(edit.files)
    step = edit.step.replace("{expression}", edit.expression)
    notebook.cell(edit.before)
    notebook.cell(step)
    notebook.cell(edit.flow)
    first = notebook.cell(edit.call)
    assert first.steps["work"].state == "succeeded"
    assert notebook.cell(edit.call).steps["work"].state == "cached"

    write(edit.edited)
    notebook.cell(edit.after)
    if edit.again:
        notebook.cell(step)
    second = notebook.cell(edit.call)
    assert second.steps["work"].state == edit.state
    value = (out := second.steps["work"].outputs)[next(iter(out))].load()
    if edit.state == HOLDS or not edit.edited:
        assert repr(value) == repr(notebook.cell("work()"))
    else:
        assert value != first.steps["work"].outputs["output"].load()


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        stamp = path.stat() if path.exists() else None
        path.write_text(text)
        if stamp is not None:  # as if edited within one tick of the clock
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


# --- parameters, inputs, files and packages -------------------------------------------------------------------------

CALLS = [
    ("parameter", "1", "2", RERUNS),
    ("parameter of another type", "1", "1.0", RERUNS),
    ("parameter that is only equal", "1", "True", RERUNS),
    ("equal parameter", "[1, {'a': 2}]", "[1, {'a': 2}]", HOLDS),
    ("order of a dict", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", RERUNS),
    ("tuple for a list", "(1, 2)", "[1, 2]", RERUNS),
    ("None for a text", "None", "'None'", RERUNS),
    ("not a number", "float('nan')", "float('nan')", HOLDS),
    ("array", "np.arange(3)", "np.arange(4)", RERUNS),
    ("equal array", "np.arange(3)", "np.arange(3)", HOLDS),
    ("array of another type", "np.zeros(3)", "np.zeros(3, 'f4')", RERUNS),
    ("frame", "pd.DataFrame({'a': [1]})", "pd.DataFrame({'a': [2]})", RERUNS),
    ("equal frame", "pd.DataFrame({'a': [1]})", "pd.DataFrame({'a': [1]})", HOLDS),
    ("frame's column name", "pd.DataFrame({'a': [1]})", "pd.DataFrame({'b': [1]})", RERUNS),
]


@pytest.mark.parametrize(("before", "after", "state"), [one[1:] for one in CALLS], ids=[one[0] for one in CALLS])
def test_another_argument_runs_the_step_again(notebook: Notebook, before: str, after: str, state: str) -> None:
    notebook.cell("import numpy as np, pandas as pd")
    notebook.cell("@step\ndef work(x): return repr(x)\n@pipeline\ndef flow(x): work(x)")
    notebook.cell(f"flow({before})")
    run = notebook.cell(f"flow({after})")
    assert run.steps["work"].state == state
    assert run.steps["work"].outputs["output"].load() == notebook.cell(f"repr({after})")


def test_a_step_runs_again_when_what_it_is_given_changes_and_not_when_only_its_maker_ran_again(
    notebook: Notebook,
) -> None:
    notebook.cell(
        "@step\ndef make(): return [1]\n@step\ndef work(x): return len(x)\n@pipeline\ndef flow(): work(make())"
    )
    notebook.cell("flow()")
    notebook.cell("@step\ndef make(): return [2 - 1]")
    run = notebook.cell("flow()")
    assert (run.steps["make"].state, run.steps["work"].state) == ("succeeded", "cached")
    notebook.cell("@step\ndef make(): return [1, 2]")
    assert notebook.cell("flow()").steps["work"].state == "succeeded"


PATHS = [
    ("content", "data.txt", lambda path: path.write_text("b"), RERUNS),
    ("time stamp", "data.txt", lambda path: os.utime(path, (1, 1)), HOLDS),
    ("the same content again", "data.txt", lambda path: path.write_text("a"), HOLDS),
    ("content of the same size and time", "data.txt", lambda path: write({"data.txt": "b"}), RERUNS),
    ("file in a folder", "folder", lambda path: (path / "in/x").write_text("b"), RERUNS),
    ("new file in a folder", "folder", lambda path: (path / "in/y").write_text(""), RERUNS),
    ("name of a file in a folder", "folder", lambda path: (path / "in/x").rename(path / "in/z"), RERUNS),
    ("time stamp in a folder", "folder", lambda path: os.utime(path / "in/x", (1, 1)), HOLDS),
]


@pytest.mark.parametrize(("name", "change", "state"), [one[1:] for one in PATHS], ids=[one[0] for one in PATHS])
@pytest.mark.parametrize("argument", ["Path({name!r})", "[{{'a': Path({name!r})}}]"], ids=["path", "nested"])
def test_a_path_counts_by_what_is_there(notebook: Notebook, name: str, change: Any, state: str, argument: str) -> None:
    write({"data.txt": "a", "folder/in/x": "a"})
    notebook.cell("from pathlib import Path\n@step\ndef work(path): return 1\n@pipeline\ndef flow(path): work(path)")
    call = f"flow({argument.format(name=name)})"
    notebook.cell(call)
    assert notebook.cell(call).steps["work"].state == "cached"
    change(Path(name))
    assert notebook.cell(call).steps["work"].state == state


def install(version: str, text: str = "def one(): return 1\n") -> None:
    root = Path("env/lib/python3/site-packages")
    for old in root.glob("fake_dist-*"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    write({str(root / "fakery/__init__.py"): text})
    write({str(root / f"fake_dist-{version}.dist-info/RECORD"): "fakery/__init__.py,,\n"})


PACKAGE_RUN = """
import sys; sys.path[:0] = ["env/lib/python3/site-packages", "."]
from zenbook import step, pipeline
import proj
run = proj.flow()
print(run.steps["work"].state)
"""
PROJECT = "import fakery\nfrom zenbook import step, pipeline\n\n@step\ndef work(): return fakery.one()\n\n@pipeline\ndef flow(): work()\n"


def test_another_version_of_a_package_that_a_step_imports_runs_it_again(workspace: Path) -> None:
    write({"proj.py": PROJECT})
    states = []
    for version in ("1.0", "1.0", "1.1"):
        install(version)
        states.append(in_a_new_process(PACKAGE_RUN))
    assert states == ["succeeded", "cached", "succeeded"]


def test_an_edit_of_an_installed_package_that_no_distribution_claims_runs_the_step_again(workspace: Path) -> None:
    write({"proj.py": PROJECT})
    root = "env/lib/python3/site-packages/fakery"
    states = []
    for number in (1, 1, 2):
        write({f"{root}/__init__.py": "from .inner import one\n", f"{root}/inner.py": f"def one(): return {number}\n"})
        states.append(in_a_new_process(PACKAGE_RUN))
    assert states == ["succeeded", "cached", "succeeded"]


def test_a_package_installed_while_the_kernel_runs_counts(notebook: Notebook) -> None:
    install("1.0")
    sys.path.insert(0, str(Path("env/lib/python3/site-packages").resolve()))
    notebook.cell("import fakery\n@step\ndef work(): return fakery.one()\n@pipeline\ndef flow(): work()")
    notebook.cell("flow()")
    assert notebook.cell("flow()").steps["work"].state == "cached"
    install("1.1")
    assert notebook.cell("flow()").steps["work"].state == "succeeded"


def in_a_new_process(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]
