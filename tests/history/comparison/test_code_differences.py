"""What differs between two capsules."""

from __future__ import annotations

import pytest

from zenbook.core.capsule import Capsule, Module, Piece
from zenbook.history.comparison.code_differences import Edit, code_changes, unified


def capsule(*sources, requirements=(), cell="", **modules):
    main = Module("__main__", tuple(Piece(source) for source in sources))
    others = (Module(name, (Piece(source),)) for name, source in modules.items())
    return Capsule("__main__:fit", (main, *others), requirements, cell)


def changes(old, new):
    return {code_change.name: code_change for code_change in code_changes(new, old)}


def test_each_edited_part_is_described_with_its_lines():
    old = capsule("def clean(x):\n    y = x\n    return y", "LIMIT = 0.5", "def fit(x):\n    return clean(x)")
    new = capsule("def clean(x):\n    y = x\n    return y + 1", "LIMIT = 0.7", "def fit(x):\n    return clean(x)")
    found = changes(old, new)
    assert found.keys() == {"clean", "LIMIT"}
    assert found["clean"].description == "`clean` was edited"
    assert found["clean"].diff == " def clean(x):\n     y = x\n-    return y\n+    return y + 1"
    assert found["LIMIT"].description == "`LIMIT` changed from 0.5 to 0.7"


@pytest.mark.parametrize(
    "new",
    [
        "# another comment\ndef f(x):\n    return x",
        "def f(x):\n    # why\n\n    return x",
        "def f( x ):\n    return (x)",
    ],
)
def test_comments_and_layout_are_not_changes(new):
    assert not changes(capsule("def f(x):\n    return x"), capsule(new))


def test_a_comment_above_does_not_move_statements_without_a_name():
    old = capsule("np.seterr(all='raise')", "print('b')")
    new = capsule("import math", "# first\nnp.seterr(all='raise')", "print('b')")
    assert changes(old, new).keys() == {"math"}


def test_new_and_gone_parts_and_versions():
    old = capsule("import json", "class A:\n    x = 1", requirements=(("numpy", "1.0"), ("scipy", "1.0")))
    new = capsule("class A:\n    x = 1", "@cached\ndef g():\n    return 1", requirements=(("numpy", "2.0"),))
    found = changes(old, new)
    assert {name: one.edit for name, one in found.items()} == {
        "numpy": Edit.VERSION,
        "scipy": Edit.VERSION,
        "json": Edit.GONE,
        "g": Edit.NEW,
    }
    assert found["numpy"].description == "numpy changed from 1.0 to 2.0"
    assert found["g"].diff.startswith("+@cached\n+def g():")


def test_a_helper_that_moved_to_a_module_is_described_as_moved():
    body = "def clean(x):\n    return x"
    old = capsule(body, "def fit(x):\n    return x")
    moved = changes(old, capsule("def fit(x):\n    return x", helpers=body))
    assert [value.description for value in moved.values()] == ["`clean` is `helpers.clean` now"]
    edited = changes(old, capsule("def fit(x):\n    return x", helpers=body + " + 1"))
    assert [(value.description, value.edit) for value in edited.values()] == [
        ("`helpers.clean` was edited", Edit.EDITED)
    ]


def test_the_cells_own_text_is_a_part():
    found = changes(capsule(cell="a = 1\nb = 2"), capsule(cell="a = 1\nb = 3"))
    assert found["the cell"].diff == " a = 1\n-b = 2\n+b = 3"


def test_far_apart_changes_are_joined_by_an_ellipsis():
    old = "\n".join(map(str, range(30)))
    text = unified(old, old.replace("3\n4\n", "3\nfour\n").replace("27", "twenty-seven"))
    assert "\n…\n" in text
    assert "-27\n+twenty-seven" in text
    assert "@@" not in text
