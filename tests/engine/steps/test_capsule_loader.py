"""While a capsule is loaded its modules are the process's; afterwards all is as before."""

# a table's row is a line
from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

import pytest

from zenbook.core.capsule import Capsule, Module, Piece
from zenbook.engine.steps.capsule_loader import entry_of, loaded


def capsule(*modules: Module, entry: str = "__main__:work") -> Capsule:
    return Capsule(entry, modules)


def module(name: str, text: str, *, package: bool = False, file: str = "", line: int = 0) -> Module:
    return Module(name, (Piece(text, file, line),), package)


def test_modules_are_there_while_it_is_loaded_and_gone_afterwards() -> None:
    before = dict(sys.modules)
    made = capsule(
        module("__main__", "import pack.inner\ndef work(): return pack.inner.value()"),
        module("pack", "", package=True),
        module("pack.inner", "from . import other\ndef value(): return other.K, __name__"),
        module("pack.other", "K = 5"),
    )
    with loaded(made) as main:
        assert sys.modules["__main__"] is main
        assert entry_of(made, main)() == (5, "pack.inner")
        assert "pack.inner" in sys.modules
    assert {name: one for name, one in sys.modules.items() if name in before or "pack" in name} == before
    assert sys.modules["__main__"] is before["__main__"]


def test_the_kernels_own_modules_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "proj").mkdir()
    (tmp_path / "proj/__init__.py").write_text("K = 'kernel'")
    (tmp_path / "proj/sub.py").write_text("K = 'kernel'")
    monkeypatch.syspath_prepend(tmp_path)
    live = importlib.import_module("proj.sub")
    try:
        made = capsule(
            module("__main__", "import proj\ndef work(): return proj.K, hasattr(proj, 'sub')"),
            module("proj", "K = 'capsule'", package=True),
        )
        with loaded(made) as main:
            assert entry_of(made, main)() == ("capsule", False)
        assert sys.modules["proj.sub"] is live
        assert sys.modules["proj"].K == "kernel"
    finally:
        sys.modules.pop("proj", None)
        sys.modules.pop("proj.sub", None)


def test_all_is_put_back_when_the_capsule_fails() -> None:
    before, finders = dict(sys.modules), list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), loaded(capsule(module("__main__", "1 / 0"))):
        pass
    assert sys.modules["__main__"] is before["__main__"]
    assert sys.meta_path == finders


def test_each_load_starts_afresh() -> None:
    made = capsule(
        module("__main__", "import st\ndef work():\n    st.L.append(1)\n    return len(st.L)"), module("st", "L = []")
    )
    for _ in range(2):
        with loaded(made) as main:
            assert entry_of(made, main)() == 1


def test_tracebacks_show_the_users_file_and_line() -> None:
    made = capsule(module("__main__", "def work():\n    raise KeyError", file="/somewhere/cell.py", line=41))
    with loaded(made) as main, pytest.raises(KeyError) as caught:
        entry_of(made, main)()
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == ("/somewhere/cell.py", 42)


def test_tracebacks_of_a_capsule_from_json_show_its_own_lines() -> None:
    made = Capsule.from_json(capsule(module("__main__", "def work():\n    raise KeyError  # here")).to_json())
    with loaded(made) as main, pytest.raises(KeyError) as caught:
        entry_of(made, main)()
    assert traceback.extract_tb(caught.value.__traceback__)[-1].line == "raise KeyError  # here"


def test_future_annotations_hold_for_every_piece() -> None:
    pieces = (
        Piece("from __future__ import annotations"),
        Piece("def work(x: not_there = 1): return work.__annotations__"),
    )
    made = Capsule("__main__:work", (Module("__main__", pieces),))
    with loaded(made) as main:
        assert entry_of(made, main)() == {"x": "not_there"}


def test_a_plan_keeps_a_capsule_as_it_is() -> None:
    pieces = (Piece("import os", "f.py", 3), Piece("def work():\n    return '''\n\n'''"))
    made = Capsule("__main__:work", (Module("__main__", pieces),), (("numpy", "1"),), cell="x = 1")
    again = Capsule.from_json(made.to_json())
    assert again.digest == made.digest
    assert again.source == made.source
    assert again.requirements == made.requirements
