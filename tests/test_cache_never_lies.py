"""Promise 2: each row is an edit, and whether the step must run again after it.

The cells run in a real IPython shell, the pipeline runs on a local stack, and its step run says whether it was served
from the cache. Where it must run again, its result must also be the new one.
"""

from __future__ import annotations

import os
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
    Edit("default argument by a name", "K = 1\ndef helper(a=K):\n    return a", "K = 2", HOLDS),
    Edit("default list changed in place", "def helper(a=[1]):\n    return len(a)", "helper.__defaults__[0].append(2)", RERUNS),
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
    Edit("base class", "class Base:\n    x = 1\nclass C(Base): pass", "class Base:\n    x = 2\nclass C(Base): pass", RERUNS, expression="C.x"),
    Edit("class attribute", "class C:\n    x = 1", "class C:\n    x = 2", RERUNS, expression="C.x"),
    Edit("class attribute assigned later", "class C:\n    x = 1", "C.x = 2", RERUNS, expression="C.x"),
    Edit("class attribute from a constant", "K = 1\nclass C:\n    x = K", "K = 2", HOLDS, expression="C.x"),
    Edit("method", "class C:\n    def m(self): return 1", "class C:\n    def m(self): return 2", RERUNS, expression="C().m()"),
    Edit(
        "method's default from a constant",
        "K = 1\nclass C:\n    def m(self, k=K * 2): return k",
        "K = 2",
        HOLDS,
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
        "def deco(f):\n    def inner(): return f() + 1\n    return inner",
        "def deco(f):\n    def inner(): return f() + 2\n    return inner",
        RERUNS,
        step="@step\n@deco\ndef work(): return 1",
        again=True,
    ),
    Edit("import alias", "import math as m\n" + helper("m.sqrt(4)"), "import cmath as m", RERUNS),
    Edit("from-import", "from math import floor as f\n" + helper("f(1.5)"), "from math import ceil as f", RERUNS),
    Edit("another import of the same", "import math\n" + helper("math.pi"), "from math import tau", HOLDS),
    Edit("lambda", "helper = lambda: 1", "helper = lambda: 2", RERUNS),
    Edit("lambda's constant", "K = 1\nhelper = lambda: K", "K = 2", RERUNS),
    Edit("one of two lambdas in a line", "f, helper = lambda: 1, lambda: 2", "f, helper = lambda: 2, lambda: 1", RERUNS),
    Edit(
        "the other of two lambdas in a line", "f, helper = lambda: 1, lambda: 2", "f, helper = lambda: 5, lambda: 2", HOLDS
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
    Edit("functional enum", "import enum\nE = enum.Enum('E', 'A B')", "E = enum.Enum('E', 'B A')", RERUNS, expression="E.A.value"),
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
    Edit("a global rebound to another function", "def f(): return 1\ndef g(): return 2\nhelper = f", "helper = g", RERUNS),
    Edit("a global that shadows a builtin", helper("len('abc')"), "def len(x): return 7", RERUNS),
    Edit("a name that appears", helper("K if 'K' in globals() else 0"), "K = 2", RERUNS),
    Edit("lru_cache's size", "import functools\n@functools.lru_cache(1)\ndef helper(): return 1", "@functools.lru_cache(2)\ndef helper(): return 1", RERUNS),
    Edit("a wrapped function", "import functools\ndef f(): return 1\nhelper = functools.cache(f)", "def f(): return 2\nhelper = functools.cache(f)", RERUNS),
    Edit("function attribute", "def helper(): return helper.k\nhelper.k = 1", "helper.k = 2", RERUNS),
    Edit("a comment", helper("1"), "def helper():\n    # why\n    return 1  # because", HOLDS),
    Edit("blank lines", helper("1"), "\n\n\ndef helper():\n\n\n    return 1\n", HOLDS),
    Edit("line breaks", helper("max(1, 2)"), "def helper():\n    return max(\n        1,\n        2,\n    )", HOLDS),
    Edit("quotes", helper("'a'"), 'def helper():\n    return "a"', HOLDS),
    Edit("f-string's quotes", helper("f'a{1}b'"), 'def helper():\n    return f"a{1}" "b"', HOLDS),
    Edit("spelling of a number", helper("1000"), helper("1_000"), HOLDS),
    Edit("docstring", helper("helper.__doc__"), 'def helper():\n    "doc"\n    return helper.__doc__', RERUNS),
    Edit("type annotation", helper("1"), "def helper() -> int:\n    return 1", RERUNS),
    Edit("name of a local variable", "def helper():\n    a = 1\n    return a", "def helper():\n    b = 1\n    return b", RERUNS),
    Edit("the step itself", "K = 1", "@step\ndef work():\n    return 2", RERUNS, expression="1"),
    Edit(
        "another step",
        "@step\ndef other(): return 1",
        "@step\ndef other(): return 2",
        HOLDS,
        expression="5",
        flow="@pipeline\ndef flow():\n    other(); work()",
    ),
    Edit("an unread import of the same package", "import numpy as np\n" + helper("int(np.sqrt(4))"), "from numpy import linalg", HOLDS),
    Edit("number of retries", "", "@step(retries=3, timeout='1m')\ndef work(): return 1", HOLDS, step="@step\ndef work(): return 1"),
    Edit("names of outputs", "", "@step(outputs='b')\ndef work(): return 1", RERUNS, step="@step(outputs='a')\ndef work(): return 1"),
    Edit("a step's helper that is a step", "@step\ndef one(): return 1", "@step\ndef one(): return 2", RERUNS, expression="one()"),
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
        "module's unreached function", "import tool", "tool.one()", HOLDS, tool=FILES["tool.py"].replace("return 1", "return 2")
    ),
    of_files("module's comment", "import tool", "tool.one()", HOLDS, tool="# new\n" + FILES["tool.py"]),
    of_files("from-imported function", "from tool import one", "one()", RERUNS, tool=FILES["tool.py"].replace("K = 1", "K = 2")),
    of_files("from-imported constant", "from tool import K", "K", RERUNS, tool=FILES["tool.py"].replace("K = 1", "K = 2")),
    of_files("starred import", "from tool import *", "one()", RERUNS, tool=FILES["tool.py"].replace("K = 1", "K = 2")),
    of_files(
        "import in the step",
        "",
        "__import__('builtins') and [m.one() for m in [__import__('tool')]][0]" if False else "late()",
        RERUNS,
        tool=FILES["tool.py"].replace("K = 1", "K = 2"),
    ),
    of_files("package's submodule", "import pack", "pack.value()", RERUNS, pack__deep="def number():\n    return 2\n"),
    of_files("relative import", "from pack.inner import value", "value()", RERUNS, pack__deep="def number():\n    return 2\n"),
    of_files("re-exported function", "from pack import value", "value()", RERUNS, pack__inner="def value():\n    return 5\n"),
    of_files("module's side effect", "import effect", "effect.read()", RERUNS, effect=FILES["effect.py"].replace("= 1", "= 2")),
    of_files("registered function", "import registry", "registry.call()", RERUNS, registry=FILES["registry.py"].replace("return 1", "return 2")),
    of_files("namespace package", "from space.part import one", "one()", RERUNS, space__part="def one():\n    return 2\n"),
    of_files("conditional definition", "import cond", "cond.one()", RERUNS, cond=FILES["cond.py"].replace("return 1", "return 2")),
    of_files("base class in a module", "from klass import C", "C().m()", RERUNS, klass=FILES["klass.py"].replace("return 1", "return 2")),
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
    if edit.expression == "late()":
        edit = Edit(**{**vars(edit), "before": "def late():\n    from tool import one\n    return one()"})
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
