import subprocess
import sys
import types
from typing import Annotated

import numpy as np
import pandas as pd
import pytest

from zenbook.errors import FormatError
from zenbook.formats import BytesSource, Format, format_for, format_named, register_format, registry


@pytest.fixture(autouse=True)
def _clean():
    yield
    registry._registered.clear()
    registry._candidates.clear()


class Grid:
    def __init__(self, rows):
        self.rows = rows


def test_a_format_of_ones_own_is_ten_lines(store):
    @register_format
    class GridFormat(Format):
        name, suffix, types = "grid", ".csv", (f"{__name__}.Grid",)

        def write(self, value, file):
            file.write("\n".join(",".join(map(str, row)) for row in value.rows).encode())

        def read(self, source):
            with source.open() as file:
                return Grid([[int(cell) for cell in line.split(b",")] for line in file])

    stored = store(Grid([[1, 2], [3, 4]]))
    assert stored.path.suffix == ".csv"
    assert stored.bytes == b"1,2\n3,4"
    assert stored.load().rows == [[1, 2], [3, 4]]
    assert format_named("grid").preview(Grid([])) == {}
    # A subclass is of the type too.
    assert format_for(type("Better", (Grid,), {})([])).name == "grid"


def make(name, types=(), accepts=True, cls="Made", module="cell"):
    body = {
        "name": name,
        "suffix": ".x",
        "types": types,
        "write": lambda self, value, file: file.write(b"x"),
        "read": lambda self, source: 1,
        "accepts": lambda self, value: accepts,
        "__module__": module,
        "__qualname__": cls,
    }
    return type(cls, (Format,), body)


def test_a_registered_format_comes_before_the_built_in_one_and_the_newest_first():
    register_format(make("mine", ("pandas.DataFrame",), cls="A"))
    assert format_for(pd.DataFrame()).name == "mine"
    register_format(make("newer", ("pandas.DataFrame",), cls="B"))
    assert format_for(pd.DataFrame()).name == "newer"
    register_format(make("picky", ("pandas.DataFrame",), accepts=False, cls="C"))
    assert format_for(pd.DataFrame()).name == "newer"


def test_a_format_in_an_annotation_wins_and_can_be_read_back_by_name():
    kind = make("annotated", cls="A")
    assert format_for(5, Annotated[int, "output", kind]).name == "annotated"
    assert format_for(5, Annotated[int, kind()]).name == "annotated"
    assert format_named("annotated").read(BytesSource(b"")) == 1
    assert format_for(5).name == "json"
    assert format_for(5, Annotated[int, "output"]).name == "json"
    assert format_for(5, int).name == "json"
    picky = make("refusing", accepts=False, cls="B")
    with pytest.raises(FormatError, match="does not accept this int"):
        format_for(5, Annotated[int, picky])


def test_an_annotation_may_name_a_built_in_format():
    assert format_for([1], Annotated[list, registry.PickleFormat]).name == "pickle"


def test_defining_a_format_again_replaces_it_but_another_class_may_not_take_its_name():
    first, again = make("f"), make("f")
    register_format(first)
    register_format(again)
    assert type(format_named("f")) is again
    with pytest.raises(FormatError, match=r"belongs to cell\.Made already"):
        register_format(make("f", cls="Other"))
    with pytest.raises(FormatError, match="belongs to"):
        register_format(make("json"))


def test_incomplete_formats_are_refused_with_what_they_lack():
    class Half(Format):
        name = "half"

        def read(self, source): ...

    with pytest.raises(FormatError, match="lacks write, suffix"):
        register_format(Half)
    with pytest.raises(FormatError, match="is a str"):
        register_format(make("f", "pandas.DataFrame"))
    with pytest.raises(FormatError, match="is not a format"):
        register_format(int)


def test_an_unknown_name_gets_close_matches():
    with pytest.raises(FormatError) as caught:
        format_named("pandsa")
    assert "'pandas'" in caught.value.hint


def test_a_type_is_known_by_its_public_and_its_own_name():
    register_format(make("public", ("pandas.DataFrame",), cls="A"))
    assert format_for(pd.DataFrame()).name == "public"
    registry._registered.clear()
    register_format(make("bare", ("Thing",), cls="A"))
    main = sys.modules["__main__"]
    main.Thing = type("Thing", (), {"__module__": "__main__"})
    try:
        assert format_for(main.Thing()).name == "bare"
    finally:
        del main.Thing


def test_formats_of_installed_packages_are_asked_for_unknown_types_only(monkeypatch):
    asked = []

    def entry_points(group):
        asked.append(group)
        return [
            types.SimpleNamespace(name="plugin", load=lambda: make("plugin", (f"{__name__}.Grid", "numpy.ndarray")))
        ]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    registry._installed.cache_clear()
    try:
        assert format_for(np.zeros(2)).name == "numpy"
        assert asked == []
        assert format_for(Grid([])).name == "plugin"
        assert asked == ["zenbook.formats"]
        assert format_named("plugin").name == "plugin"
    finally:
        registry._installed.cache_clear()


def test_importing_the_formats_imports_no_heavy_library():
    heavy = "{'numpy', 'pandas', 'pyarrow', 'polars', 'matplotlib', 'sklearn', 'pydantic', 'cloudpickle'}"
    code = f"import sys, zenbook.formats as f; f.format_for(1); f.format_for('a'); print({heavy} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
