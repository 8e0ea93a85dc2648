"""Which statements of project modules travel: what is reached, and what has an effect."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zenbook.core.capture.project import ProjectCode
from zenbook.core.capture.project_module import read_module

FILES = {
    "tools.py": "import math\nimport unused_thing\nLIMIT = 3\nNAMES = {}\nNAMES['a'] = LIMIT\n\ndef area(r):\n    return math.pi * r\n\n"
    "def other():\n    return area(1)\n\ndef hook(f):\n    return f\n\n@hook\ndef noted():\n    return 1\n",
    "family.py": "class Base:\n    def __init_subclass__(cls): pass\n",
    "children.py": "from family import Base\nclass Child(Base): pass\nclass Free: pass\n",
    "kit/__init__.py": "from .deep import *\nVERSION = 1\n",
    "kit/deep.py": "def dig(): return SHOVEL\nSHOVEL = 5\nSPADE = 6\n",
}


@pytest.fixture(autouse=True)
def project(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in FILES.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    monkeypatch.syspath_prepend(str(workspace))


def reached(module: str, *chain: str) -> dict[str, list[str]]:
    """The first lines of the statements that travel, by module."""
    code = ProjectCode()
    code.reach(module, chain)
    assert not set(sys.modules) & {"tools", "family", "children", "kit"}  # nothing is imported
    return {part.name: [piece.text.splitlines()[0] for piece in part.pieces] for part in code.modules()}


def test_a_name_brings_what_it_uses_and_what_has_an_effect() -> None:
    assert reached("tools", "other") == {
        "tools": [
            "import math",
            "import unused_thing",  # nobody reads it: it may be there for its effect
            "LIMIT = 3",
            "NAMES = {}",
            "NAMES['a'] = LIMIT",
            "def area(r):",
            "def other():",
            "def hook(f):",
            "@hook",
        ]
    }


def test_a_class_whose_base_notes_its_subclasses_travels_with_any_name_of_the_module() -> None:
    travels = reached("children", "Free")
    assert travels["children"] == ["from family import Base", "class Child(Base): pass", "class Free: pass"]
    assert "class Base:" in travels["family"]


def test_a_name_is_found_through_a_star_import() -> None:
    assert reached("kit", "dig") == {
        "kit": ["from .deep import *"],
        "kit.deep": ["def dig(): return SHOVEL", "SHOVEL = 5"],
    }


def test_a_whole_module_is_reached_without_a_name() -> None:
    assert reached("kit.deep")["kit.deep"] == ["def dig(): return SHOVEL", "SHOVEL = 5", "SPADE = 6"]


def test_a_module_says_what_each_statement_binds_and_uses() -> None:
    statements = {next(iter(part.binds), ""): part for part in read_module("tools").statements}
    assert statements["area"].uses == [("math", "pi")]
    assert statements["other"].uses == [("area",)]
    assert statements["math"].is_import
    assert statements[""].uses == [("LIMIT",), ("NAMES",)]
