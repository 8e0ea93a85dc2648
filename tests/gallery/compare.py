"""Compare what two processes left in their namespaces: a summary of plain data of each, compared with a tolerance."""

from __future__ import annotations

import functools
import math
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any

# What measures time differs from run to run. Paths in a namespace, as `differences` writes them.
TIMES = re.compile(r"(mean|std)_(fit|score)_time|\.refit_time_|['\"](fit_time|score_time)['\"]")

_DEPTH = 9
_OF_THE_SHELL = re.compile(r"_(i|o)?(h|\d*|i+)$|__.*__$|_{1,3}$|(In|Out|exit|quit|get_ipython|open|_dh)$")


def summary(namespace: dict[str, Any]) -> dict[str, Any]:
    """Plain data about each of the user's names."""
    return {name: _Summary().of(value) for name, value in list(namespace.items()) if not _OF_THE_SHELL.match(name)}


class _Summary:
    """What an object is worth comparing by. Objects of the same kind and content give the same."""

    def __init__(self) -> None:
        self.path: list[int] = []

    def of(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            plain = value.item() if hasattr(value, "item") else value
            return plain if type(plain).__module__ == "builtins" else str(plain)
        if id(value) in self.path or len(self.path) > _DEPTH:
            return f"<{_kind(value)} within itself>"
        self.path.append(id(value))
        try:
            return self._object(value)
        except Exception as error:  # an object that can't be looked at is looked at as that
            return f"<{_kind(value)}: {type(error).__name__}>"
        finally:
            self.path.pop()

    def _object(self, value: Any) -> Any:
        for look in (self._code, self._container, self._data, self._artist, self._estimator):
            found = look(value)
            if found is not None:
                return found
        held = {name: one for name, one in getattr(value, "__dict__", {}).items() if not name.startswith("_")}
        return _kind(value), {name: self.of(one) for name, one in held.items()}

    def _code(self, value: Any) -> Any:
        if isinstance(value, types.ModuleType):
            return "module", value.__name__
        if isinstance(value, functools.partial):
            return "partial", self.of(value.func), self.of(list(value.args)), self.of(value.keywords)
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType | types.MethodType):
            return "code", value.__qualname__
        if isinstance(value, Iterator):
            return "iterator", _kind(value)
        return None

    def _container(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return _kind(value), {repr(key): self.of(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return _kind(value), [self.of(one) for one in value]
        if isinstance(value, set | frozenset):
            return _kind(value), sorted(repr(one) for one in value)
        if isinstance(value, range | slice):
            return repr(value)
        return None

    def _data(self, value: Any) -> Any:
        import numpy as np
        import pandas as pd
        from scipy import sparse

        if isinstance(value, np.ma.MaskedArray) and value.dtype.kind == "O":
            return "objects", [self.of(one) for one in value.filled(None).flat]
        if isinstance(value, np.ma.MaskedArray):
            return "masked", value.filled(np.nan if value.dtype.kind == "f" else 0), np.ma.getmaskarray(value)
        if isinstance(value, np.ndarray):
            if value.dtype.names:
                return "records", {name: self.of(value[name]) for name in value.dtype.names}
            if value.dtype.kind == "O":
                return "objects", [self.of(one) for one in value.flat]
            return str(value.dtype), value
        if sparse.issparse(value):
            whole = value.tocoo()
            return "sparse", value.shape, np.asarray(value.sum(axis=0)), np.sort(whole.data)
        if isinstance(value, pd.DataFrame):
            once = value.columns.is_unique
            names = [f"{name!r}" if once else f"{name!r} {at}" for at, name in enumerate(value.columns)]
            columns = {name: self.of(value.iloc[:, place].to_numpy()) for place, name in enumerate(names)}
            return "frame", self.of(value.index.to_numpy()), columns
        if isinstance(value, pd.Series | pd.Index):
            return _kind(value), repr(value.name), self.of(value.to_numpy())
        if isinstance(value, np.random.RandomState):
            # Within an unseeded model of scikit-learn it is the global generator, which goes on.
            return "random", value.get_state(legacy=True)[1] if len(self.path) == 1 else ""
        if isinstance(value, np.random.Generator):
            return "random", repr(value.bit_generator.state)
        if type(value).__module__.partition(".")[0] == "polars":
            return self.of(value.to_pandas())
        return None

    def _artist(self, value: Any) -> Any:
        from matplotlib.artist import Artist
        from matplotlib.axes import Axes
        from matplotlib.figure import FigureBase
        from matplotlib.lines import Line2D

        if isinstance(value, FigureBase):
            return "figure", [self.of(one) for one in value.axes], len(value.texts), value.get_suptitle()
        if isinstance(value, Axes):
            lines = [self.of(one) for one in value.lines]
            counts = [len(value.patches), len(value.collections), len(value.images), len(value.texts)]
            images = [self.of(one.get_array()) for one in value.images]
            offsets = [self.of(one.get_offsets()) for one in value.collections]
            labels = [value.get_title(), value.get_xlabel(), value.get_ylabel()]
            return "axes", lines, counts, images, offsets, labels
        if isinstance(value, Line2D):
            x, y = value.get_data(orig=False)
            return "line", x, y
        return ("artist", type(value).__name__) if isinstance(value, Artist) else None

    def _estimator(self, value: Any) -> Any:
        if not hasattr(value, "get_params") or isinstance(value, type):
            return None
        learned = {name: one for name, one in vars(value).items() if name.endswith("_") and not name.startswith("_")}
        return (
            _kind(value),
            {name: self.of(one) for name, one in value.get_params(deep=False).items()},
            {name: self.of(one) for name, one in sorted(learned.items())},
        )


def _kind(value: Any) -> str:
    return type(value).__qualname__


def differences(plain: dict[str, Any], steps: dict[str, Any], excluded: dict[str, str]) -> dict[str, str]:
    """How names differ: the first place in each. ``excluded`` names or paths and why they don't count."""
    found = {}
    for name in {**plain, **steps}:
        if name in excluded:
            continue
        if name not in steps or name not in plain:
            found[name] = "is only in the " + ("plain cells" if name in plain else "step cells")
            continue
        places = _differing(name, plain[name], steps[name])
        first = next((one for one in places if not _excluded(one[0], excluded)), None)
        if first is not None:
            found[name] = f"{first[0]}: {first[1]:.90} ≠ {first[2]:.90}"
    return found


def _excluded(path: str, excluded: dict[str, str]) -> bool:
    return bool(TIMES.search(path)) or any(path.startswith(one) for one in excluded)


def _differing(path: str, one: Any, other: Any) -> Iterator[tuple[str, str, str]]:
    import numpy as np

    if type(one) is not type(other):
        yield path, repr(one), repr(other)
    elif isinstance(one, np.ndarray):
        if one.shape != other.shape:
            yield path, f"shape {one.shape}", f"shape {other.shape}"
        elif not _close(one, other):
            yield path, repr(one), repr(other)
    elif isinstance(one, float):
        if not (math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9) or (one != one and other != other)):
            yield path, repr(one), repr(other)
    elif isinstance(one, dict):
        if set(one) != set(other):
            yield path, f"keys {sorted(one)}", f"keys {sorted(other)}"
        for key in [key for key in one if key in other]:
            yield from _differing(f"{path}[{key}]" if key.startswith("'") else f"{path}.{key}", one[key], other[key])
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            yield path, f"{len(one)} elements", f"{len(other)} elements"
        for place, (left, right) in enumerate(zip(one, other, strict=False)):
            yield from _differing(path if isinstance(one, tuple) else f"{path}[{place}]", left, right)
    elif one != other:
        yield path, repr(one), repr(other)


def _close(one: Any, other: Any) -> bool:
    import numpy as np

    if one.dtype.kind in "fc":
        return bool(np.allclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True))
    return bool(one.dtype == other.dtype and (one == other).all())
