"""Which of several values share mutable objects, and so must be stored together to share them again when loaded.

A pickler meets every object that belongs to a value. Two values share when both pickles meet the same object, unless it
cannot change (texts, numbers, dtypes, labels) or belongs to a library (as matplotlib's unit circle): such an object is
in a module or a class of the library, and every figure has it.

Sharing of memory below different objects (an array and a view of it, a frame and its column) is not sharing here: no
pickle keeps it, and pandas hides it.
"""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from itertools import combinations
from typing import Any

_PLAIN = {
    type(None), bool, int, float, complex, str, bytes, type, range, slice, type(Ellipsis), type(NotImplemented),
    types.BuiltinFunctionType, types.ModuleType, types.CodeType, types.MappingProxyType, types.GetSetDescriptorType,
    types.MemberDescriptorType, types.WrapperDescriptorType, types.MethodDescriptorType,
}  # fmt: skip
# Their identity is no state; what they hold is met by itself.
_TRANSPARENT = {
    tuple,
    frozenset,
    types.FunctionType,
    types.MethodType,
    types.CellType,
    staticmethod,
    classmethod,
    property,
}
_IMMUTABLE = (
    "numpy.generic", "numpy.dtype", "numpy.ufunc", "pandas.Index", "pandas.api.extensions.ExtensionDtype",
    "pandas.Timestamp", "pandas.Timedelta", "pandas.tseries.offsets.BaseOffset", "pyarrow.DataType", "pyarrow.Schema",
    "pyarrow.Field", "pyarrow.Array", "pyarrow.ChunkedArray", "pyarrow.Table", "pyarrow.RecordBatch", "pyarrow.Buffer",
    "polars.DataType", "datetime.date", "datetime.time", "datetime.timedelta", "datetime.tzinfo", "decimal.Decimal",
    "fractions.Fraction", "pathlib.PurePath", "uuid.UUID", "re.Pattern",
)  # fmt: skip
# Large, and holding no Python objects that another value could hold too.
_ATOMIC = ("numpy.ndarray", "pandas.DataFrame", "pandas.Series", "polars.DataFrame", "polars.Series")


def groups_of_shared(values: dict[str, Any]) -> list[tuple[str, ...]]:
    """Group values that share mutable objects.

    Calls the objects' own ``__reduce__`` and ``__getstate__``. Of a value that cannot be pickled, only the part before
    the failure counts.

    Args:
        values: The values by name.

    Returns:
        Groups of names, each in the order of ``values``; a value that shares with none is a group of its own.
    """
    rules = _Rules()
    changing = {name: value for name, value in values.items() if not rules.is_immutable(value)}
    groups = {name: {name} for name in values}
    if len(changing) > 1:
        for name, other in _sharing_pairs(changing, rules):
            merged = groups[name] | groups[other]
            groups.update(dict.fromkeys(merged, merged))
    ordered = {name: tuple(member for member in values if member in groups[name]) for name in values}
    return list(dict.fromkeys(ordered.values()))


def _sharing_pairs(values: dict[str, Any], rules: _Rules) -> list[tuple[str, str]]:
    met = {name: _meet(value, rules) for name, value in values.items()}
    pairs = _pairs(met)
    unsure = [pair for pair in pairs if not _is_nested(pair, values, met)]
    if not unsure:
        return pairs
    # Only now is it worth the time to learn what belongs to libraries, and to leave it out.
    rules.owned = _objects_of_libraries()
    again = {name: _meet(values[name], rules) for name in {name: None for pair in unsure for name in pair}}
    confirmed = set(_pairs(again))
    return [pair for pair in pairs if pair not in unsure or pair in confirmed]


# Ids of what was met, and the pickler's memo: an id means the same object as long as the memo is alive.
_Met = tuple[set[int], Any]


def _pairs(met: dict[str, _Met]) -> list[tuple[str, str]]:
    return [(name, other) for name, other in combinations(met, 2) if not met[name][0].isdisjoint(met[other][0])]


def _is_nested(pair: tuple[str, str], values: dict[str, Any], met: dict[str, _Met]) -> bool:
    name, other = pair
    return id(values[name]) in met[other][0] or id(values[other]) in met[name][0]


def _meet(value: Any, rules: _Rules) -> _Met:
    """Ids of the mutable objects of a value, and what keeps them alive."""
    if rules.is_atomic(value):
        return {id(value)}, value
    pickler = _meeting_pickler()(rules)
    # A value that cannot be pickled is reported when it is stored, with a better message.
    with suppress(Exception):
        pickler.dump(value)
    memo = pickler.memo.copy()
    ids = {key for key, (_, value) in memo.items() if key not in rules.owned and not rules.is_ignored(value)}
    ids.add(id(value))
    return ids, (value, memo)


class _Rules:
    """Which objects are not shared state. Created for each question: modules may have been loaded meanwhile."""

    def __init__(self) -> None:
        self.owned: dict[int, Any] = {}
        self._immutable = tuple(_loaded_classes(_IMMUTABLE))
        self._atomic = tuple(_loaded_classes(_ATOMIC))
        self._known: dict[type, bool] = {}

    def is_immutable(self, value: Any) -> bool:
        kind = type(value)
        known = self._known.get(kind)
        if known is None:
            known = kind in _PLAIN or issubclass(kind, (type, enum.Enum, *self._immutable))
            self._known[kind] = known
        return known or (kind in {tuple, frozenset} and all(map(self.is_immutable, value)))

    def is_ignored(self, value: Any) -> bool:
        return type(value) in _TRANSPARENT or self.is_immutable(value)

    def is_atomic(self, value: Any) -> bool:
        if not issubclass(type(value), self._atomic):
            return False
        kinds = [value.dtype] if hasattr(value, "dtype") else list(getattr(value, "dtypes", ()))
        return not any(getattr(dtype, "hasobject", False) or str(dtype) == "Object" for dtype in kinds)


def _loaded_classes(names: Iterable[str]) -> Iterable[type]:
    for name in names:
        module, _, attribute = name.rpartition(".")
        value = getattr(sys.modules.get(module), attribute, None)
        if isinstance(value, type):
            yield value


def _nothing(*held: Any) -> None:
    """Stands for an object that the pickler only looks at."""


@cache
def _meeting_pickler() -> Any:
    """The pickler's class, made on first use: it needs cloudpickle."""
    from zenbook.formats.pickler import ByValuePickler, DiscardingFile

    class MeetingPickler(ByValuePickler):
        def __init__(self, rules: _Rules) -> None:
            super().__init__(DiscardingFile(), lambda _: False)
            self.rules = rules

        def reducer_override(self, obj: Any) -> Any:
            if obj is _nothing:
                return NotImplemented
            if id(obj) in self.rules.owned or self.rules.is_immutable(obj):
                return _nothing, ()
            if isinstance(obj, types.FunctionType):  # its globals are the notebook's, not its own
                cells = [cell.cell_contents for cell in obj.__closure__ or () if cell != types.CellType()]
                return _nothing, (*cells, *(obj.__defaults__ or ()), *(obj.__kwdefaults__ or {}).values())
            if self.rules.is_atomic(obj):
                return _nothing, ()
            return super().reducer_override(obj)

    return MeetingPickler


# What these modules hold may be the user's: the last value shown, the notebook's namespace.
_NOT_LIBRARIES = {"__main__", "__mp_main__", "builtins", "sys", "gc", "IPython", "ipykernel", "zenbook"}


def _objects_of_libraries() -> dict[int, Any]:
    """Objects in the modules and classes of what was imported, by id, with all that is in their lists and dicts."""
    # Proxies (of pydantic, of modules that load themselves when touched) must not notice that they are looked at.
    owned: dict[int, Any] = {}
    arrays = tuple(_loaded_classes(_ATOMIC))
    for name, module in sys.modules.copy().items():
        names = _attributes(module)
        if name.partition(".")[0] in _NOT_LIBRARIES or names.get("__spec__") is None:
            continue
        waiting = list(names.values())
        for value in list(waiting):
            if issubclass(type(value), type) and type.__getattribute__(value, "__module__") == name:
                waiting += _attributes(value).values()
        while waiting:
            value = waiting.pop()
            kind = type(value)
            if kind in _SKIPPED or id(value) in owned or issubclass(kind, type):
                continue
            owned[id(value)] = value
            if issubclass(kind, dict):
                waiting += dict.values(value)
            elif kind in {list, set, tuple}:
                waiting += value
            else:  # the arrays of a constant object: copies of matplotlib's unit circle keep its codes
                waiting += [inner for inner in _attributes(value).values() if issubclass(type(inner), arrays)]
    return owned


def _attributes(obj: Any) -> dict[str, Any]:
    try:
        return dict((type if issubclass(type(obj), type) else object).__getattribute__(obj, "__dict__"))
    except (AttributeError, TypeError):  # it has none, or something else under that name
        return {}


_SKIPPED = (_PLAIN | _TRANSPARENT) - {tuple}
