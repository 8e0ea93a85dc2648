"""Classes and functions of a notebook: two kernels are played by two modules that take turns at being ``__main__``."""

import linecache
import subprocess
import sys
import textwrap
import types

import pytest

from zenbook.errors import FormatError
from zenbook.formats import format_for, format_named, source_digest

CELL = """
import dataclasses
import enum
import threading
from collections import namedtuple

SCALE = 2

class Box:
    def __init__(self, x):
        self.x = x

    def grown(self):
        return Box(helper(self.x))

@dataclasses.dataclass
class Plain:
    x: int

class Colour(enum.Enum):
    RED = 1

Pair = namedtuple("Pair", "a b")

class Outer:
    class Inner:
        pass

def helper(x):
    return x * SCALE
"""


class Notebook:
    """A ``__main__`` with cells."""

    count = 0

    def __init__(self, monkeypatch, *cells, name="__main__"):
        self.module = types.ModuleType(name)
        self.monkeypatch = monkeypatch
        self.enter()
        for cell in cells:
            self.run(cell)

    def enter(self):
        self.monkeypatch.setitem(sys.modules, self.module.__name__, self.module)
        return self

    def run(self, cell):
        Notebook.count += 1
        file = f"/tmp/ipykernel_{Notebook.count}/{Notebook.count}.py"
        linecache.cache[file] = (len(cell), None, cell.splitlines(True), file)
        exec(compile(cell, file, "exec"), self.module.__dict__)

    def __getattr__(self, name):
        return getattr(self.module, name)


@pytest.fixture
def notebook(monkeypatch):
    before = dict(linecache.cache)
    yield lambda *cells, **options: Notebook(monkeypatch, *cells, **options)
    linecache.cache.clear()
    linecache.cache.update(before)


MADE = {
    "Box": lambda book: book.Box(5),
    "Plain": lambda book: book.Plain(5),
    "Pair": lambda book: book.Pair(5, 6),
    "Outer.Inner": lambda book: book.Outer.Inner(),
    "helper": lambda book: book.helper,
    "Colour": lambda book: book.Colour,
}


@pytest.mark.parametrize("name", MADE)
def test_an_object_is_of_the_live_class_that_has_the_same_source(notebook, store, name):
    capsule = notebook("# another comment\n\n" + CELL)
    stored = store(MADE[name](capsule))
    kernel = notebook(CELL)
    live = kernel.module
    for part in name.split("."):
        live = getattr(live, part)
    loaded = stored.load()
    assert loaded is live or type(loaded) is live


def test_an_enum_member_is_the_live_one(notebook, store):
    stored = store(notebook(CELL).Colour.RED)
    kernel = notebook(CELL)
    assert stored.load() is kernel.Colour.RED


def test_an_edited_class_is_another_class(notebook, store):
    first = notebook(CELL)
    stored = store(first.Box(5))
    kernel = notebook(CELL.replace("self.x = x", "self.x = x + 1"))
    loaded = stored.load()
    assert type(loaded) is not kernel.Box
    assert loaded.grown().x == 10
    assert type(loaded.grown()) is type(loaded)
    assert type(stored.load()) is type(loaded)


def test_an_object_of_an_earlier_definition_keeps_it(notebook, store):
    book = notebook(CELL)
    old_box, old_plain = book.Box(5), book.Plain(5)
    book.run(CELL.replace("self.x = x", "self.x = -x").replace("x: int", "x: float"))
    for old, new in ((old_box, book.Box), (old_plain, book.Plain)):
        loaded = store(old).load()
        assert type(loaded) is not new
        assert loaded.x == 5
    assert type(store(book.Box(5)).load()) is book.Box


def test_the_bytes_are_the_same_in_every_kernel(notebook, store):
    seen = {store([make(notebook("#\n" * Notebook.count + CELL)) for make in MADE.values()]).bytes for _ in range(3)}
    assert len(seen) == 1


def test_without_a_source_the_class_travels_by_value(notebook, store):
    book = notebook()
    exec("class Box:\n    x = 5", book.module.__dict__)
    stored = store(book.Box())
    kernel = notebook(CELL)
    loaded = stored.load()
    assert type(loaded) is not kernel.Box
    assert loaded.x == 5


def test_a_class_whose_globals_cannot_travel_needs_the_live_one(notebook, store):
    cell = "import threading\nlock = threading.Lock()\nclass Guarded:\n    def go(self):\n        return lock\n"
    stored = store(notebook(cell).Guarded())
    kernel = notebook(cell)
    assert type(stored.load()) is kernel.Guarded
    notebook()
    with pytest.raises(FormatError, match="'Guarded' of __main__"):
        stored.load()


def test_a_class_of_a_capsules_project_module_goes_by_source_too(notebook, store):
    inside = notebook(CELL, name="project_module_of_a_capsule")
    stored = store(inside.Box(5))
    outside = notebook(CELL, name="project_module_of_a_capsule")
    assert type(stored.load()) is outside.Box
    del sys.modules["project_module_of_a_capsule"]
    assert stored.load().grown().x == 10


def test_a_pydantic_model_of_a_notebook_is_of_the_live_class(notebook, store):
    cell = "import pydantic\nclass Config(pydantic.BaseModel):\n    a: int = 1\n"
    stored = store(notebook(cell).Config(a=5))
    assert stored.format.name == "pydantic"
    kernel = notebook(cell)
    assert stored.load() == kernel.Config(a=5)
    notebook()
    assert stored.load().a == 5


def test_an_estimator_of_a_notebook_is_of_the_live_class(notebook, store):
    cell = """
from sklearn.base import BaseEstimator
class Mine(BaseEstimator):
    def __init__(self, c=1):
        self.c = c
"""
    stored = store(notebook(cell).Mine(c=5))
    assert stored.format.name == "sklearn"
    kernel = notebook(cell)
    assert type(stored.load()) is kernel.Mine
    notebook()
    assert stored.load().c == 5


def test_source_digests_see_code_and_not_its_form(notebook):
    one = notebook(CELL)
    first = {name: source_digest(getattr(one, name)) for name in ("Box", "Plain", "Colour", "helper")}
    assert None not in first.values()
    two = notebook("# comment\n" + CELL.replace("return x * SCALE", "return (x  *  SCALE)  # why"))
    assert first == {name: source_digest(getattr(two, name)) for name in first}
    three = notebook(CELL.replace("@dataclasses.dataclass\n", "@dataclasses.dataclass(frozen=True)\n"))
    assert source_digest(three.Plain) != first["Plain"]
    assert source_digest(three.Box) == first["Box"]
    assert source_digest(len) is None
    assert source_digest(lambda: 1) is None
    assert source_digest(5) is None


def test_the_fallback_works_in_a_process_that_never_saw_the_notebook(notebook, store):
    stored = store(notebook(CELL).Box(5))
    code = f"""
        from pathlib import Path
        from zenbook.formats import MappedFile, format_named
        box = format_named({stored.format.name!r}).read(MappedFile(Path({str(stored.path)!r})))
        print(type(box).__name__, box.grown().x)
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["Box", "10"]


def test_a_function_below_a_decorator_is_not_taken_for_the_decorated_one(notebook, store):
    cell = """
import functools
def twice(f):
    @functools.wraps(f)
    def wrapper(x):
        return f(f(x))
    return wrapper
@twice
def grow(x):
    return x + 1
"""
    capsule = notebook(cell)
    inner, outer = store(capsule.grow.__wrapped__), store(capsule.grow)
    kernel = notebook(cell)
    assert outer.load() is kernel.grow
    assert inner.load()(1) == 2
    notebook()
    assert outer.load()(1) == 3


def test_a_function_is_not_taken_for_the_step_made_of_it(notebook, store):
    cell = "def load():\n    return 5\n"
    book = notebook(cell)
    stored = store(book.load)

    class Step:
        __wrapped__, __qualname__ = book.load, "load"

        def __call__(self):
            raise AssertionError

    book.module.load = Step()
    assert stored.load()() == 5


def test_classes_of_installed_packages_go_by_name_alone(notebook):
    from zenbook.formats.pickler import to_pickle

    stream, _ = to_pickle([format_for, format_named, pytest.Item, dict, type(None), len])
    assert b"resolve" not in stream


def test_a_real_shell_and_a_worker_agree_on_a_dataclass_without_methods(tmp_path):
    """IPython keeps the cells' source; a dataclass has no method that says which cell it is from."""
    code = f"""
        import sys, types, linecache
        from pathlib import Path
        from IPython.core.interactiveshell import InteractiveShell
        from zenbook.formats import MappedFile, format_for, format_named, source_digest

        shell = InteractiveShell.instance(user_module=sys.modules["__main__"])
        cell = "from dataclasses import dataclass\\n@dataclass\\nclass Plain:\\n    x: int\\n"
        shell.run_cell("1 + 1")
        shell.run_cell("%time 1" + chr(10) + cell)
        live = Plain
        path = Path({str(tmp_path / "value")!r})
        form = format_for(Plain(5))
        with path.open("wb") as file:
            form.write(Plain(5), file)
        print(type(form.read(MappedFile(path))) is live, source_digest(Plain) is not None)

        capsule = types.ModuleType("__main__")
        linecache.cache["<capsule>"] = (len(cell), None, cell.splitlines(True), "<capsule>")
        sys.modules["__main__"] = capsule
        exec(compile(cell, "<capsule>", "exec"), capsule.__dict__)
        print(type(form.read(MappedFile(path))) is capsule.Plain)
    """
    (tmp_path / "main.py").write_text(textwrap.dedent(code))
    out = subprocess.run([sys.executable, tmp_path / "main.py"], capture_output=True, text=True, check=True, cwd=".")
    assert [line for line in out.stdout.splitlines() if line[:4] in {"True", "Fals"}] == ["True True", "True"]
