"""Write values as Python expressions: how a constant of a notebook travels in a capsule.

The expression is made from the value as it is now, not from the line that once made it, so a constant that was changed
in place travels as it is. Only values whose expression gives an equal value of the same type have one.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any

from zenbook.core.capture.live_values import is_class

LIMIT = 256 * 1024  # characters; more than that is data, not a constant
_PARTS_LIMIT = 50_000
_ARRAY_LIMIT = 1000  # elements of an array that may be written out

_HOLDERS = (str, bytes, list, dict, tuple, set, frozenset, type, re.Pattern)  # of methods such as `table.get`

NameOf = Callable[[object], str | None]  # an expression for a function, class or module, if it can travel


class NotAConstantError(Exception):
    """A value that has no faithful expression; the text says which part of it."""


class Renderer:
    """Makes expressions, and collects the standard modules that they need as ``modules`` (alias → module).

    Args:
        name_of: Gives an expression for a function, class or module, None if there is none.
    """

    def __init__(self, name_of: NameOf) -> None:
        self.name_of = name_of
        self.modules: dict[str, str] = {}
        self._inside: list[int] = []
        self._parts = 0

    def render(self, value: Any) -> str:
        """Write a value as an expression.

        Args:
            value: The value.

        Returns:
            An expression that gives an equal value of the same type.

        Raises:
            NotAConstantError: There is none, or it would be too long.
        """
        text = self._render(value)
        if len(text) > LIMIT:
            raise NotAConstantError(f"it is {len(text) // 1024} kB when written out")
        return text

    def module(self, name: str) -> str:
        """Make a module available to the expressions.

        Args:
            name: The module's dotted name.

        Returns:
            The alias that stands for it.
        """
        alias = "_" + name.replace(".", "_")
        self.modules[alias] = name
        return alias

    def _render(self, value: Any) -> str:
        kind = type(value)
        self._parts += 1
        if self._parts > _PARTS_LIMIT:
            raise NotAConstantError(f"it has more than {_PARTS_LIMIT} parts")
        if value is None or kind in (bool, int, str, bytes) or value is Ellipsis or value is NotImplemented:
            return repr(value)
        if kind is float:
            return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
        if kind is complex:
            return f"complex({self._render(value.real)}, {self._render(value.imag)})"
        if id(value) in self._inside:
            raise NotAConstantError("it contains itself")
        self._inside.append(id(value))
        try:
            return self._compound(value, kind)
        finally:
            self._inside.pop()

    def _compound(self, value: Any, kind: type) -> str:
        for render in (self._container, self._referred, self._standard, self._typing, self._instance, self._numpy):
            text = render(value, kind)
            if text is not None:
                return text
        raise NotAConstantError(f"it is {_a(kind)}" if not self._inside[1:] else f"it holds {_a(kind)}")

    def _container(self, value: Any, kind: type) -> str | None:
        if kind is tuple:
            return "(" + "".join(self._render(part) + ", " for part in value).rstrip() + ")" if value else "()"
        if kind is list:
            return "[" + ", ".join(self._render(part) for part in value) + "]"
        if kind is set or kind is frozenset:
            inner = ", ".join(sorted(self._render(part) for part in value))
            if kind is set:
                return "{" + inner + "}" if value else "set()"
            return f"frozenset({{{inner}}})" if value else "frozenset()"
        if kind is dict:
            return "{" + ", ".join(f"{self._render(k)}: {self._render(v)}" for k, v in value.items()) + "}"
        if kind in (range, slice):
            return (
                f"{kind.__name__}({self._render(value.start)}, {self._render(value.stop)}, {self._render(value.step)})"
            )
        if kind.__module__ == "collections":
            return self._collection(value, kind)
        if kind is types.SimpleNamespace:
            return f"{self.module('types')}.SimpleNamespace(**{self._render(vars(value))})"
        if kind is types.MappingProxyType:
            return f"{self.module('types')}.MappingProxyType({self._render(dict(value))})"
        return None

    def _collection(self, value: Any, kind: type) -> str | None:
        constructor = f"{self.module('collections')}.{kind.__name__}"
        if kind.__name__ == "defaultdict":
            return f"{constructor}({self._render(value.default_factory)}, {self._render(dict(value))})"
        if kind.__name__ == "OrderedDict":
            return f"{constructor}({self._render(list(value.items()))})"
        if kind.__name__ == "Counter":
            return f"{constructor}({self._render(dict(value))})"
        if kind.__name__ == "deque":
            return f"{constructor}({self._render(list(value))}, {value.maxlen!r})"
        return None

    def _referred(self, value: Any, kind: type) -> str | None:
        if isinstance(value, types.BuiltinMethodType) and isinstance(value.__self__, _HOLDERS):
            return f"{self._render(value.__self__)}.{value.__name__}"
        if is_class(value) or isinstance(value, types.FunctionType | types.ModuleType):
            return self.name_of(value)
        if isinstance(value, types.BuiltinFunctionType) and isinstance(value.__self__, types.ModuleType | None):
            return self.name_of(value)
        if kind.__module__ == "functools" and kind.__name__ == "partial":
            parts = [self._render(part) for part in (value.func, *value.args)]
            parts += [f"{name}={self._render(part)}" for name, part in value.keywords.items()]
            return f"{self.module('functools')}.partial({', '.join(parts)})"
        if isinstance(value, types.MethodType) and isinstance(value.__self__, type):
            return f"{self._render(value.__self__)}.{value.__name__}"
        if "__wrapped__" in getattr(value, "__dict__", {}) or kind.__name__ == "ufunc":
            return self.name_of(value)
        return None

    def _standard(self, value: Any, kind: type) -> str | None:
        module, name = kind.__module__, kind.__name__
        if module.startswith("pathlib") and name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
            public = "Path" if name in ("PosixPath", "WindowsPath") else name
            return f"{self.module('pathlib')}.{public}({str(value)!r})"
        if module == "re" and name == "Pattern":
            return f"{self.module('re')}.compile({value.pattern!r}, {int(value.flags)})"
        if module in ("logging", "logging.RootLogger") and name in ("Logger", "RootLogger"):
            named = "" if name == "RootLogger" else repr(value.name)
            return f"{self.module('logging')}.getLogger({named})"
        if module in (
            "datetime",
            "decimal",
            "_decimal",
            "_pydecimal",
            "fractions",
            "uuid",
            "zoneinfo",
            "operator",
            "ipaddress",
        ):
            return self._reduced(value, module.lstrip("_").removeprefix("py"))
        return None

    def _reduced(self, value: Any, module: str) -> str | None:
        kind = type(value)
        constructor = f"{self.module(module)}.{kind.__name__}"
        if kind.__name__ in ("datetime", "time"):
            fields = "year month day hour minute second microsecond".split()
            named = [f"{field}={getattr(value, field)}" for field in fields if hasattr(value, field)]
            if value.tzinfo is not None:
                named.append(f"tzinfo={self._render(value.tzinfo)}")
            return f"{constructor}({', '.join([*named, f'fold={value.fold}'])})"
        if kind.__name__ == "date":
            return f"{constructor}({value.year}, {value.month}, {value.day})"
        if kind.__name__ == "timedelta":
            return f"{constructor}({value.days}, {value.seconds}, {value.microseconds})"
        if kind.__name__ == "timezone":
            if value == kind.utc and value.tzname(None) == "UTC":
                return f"{constructor}.utc"
            name = f", {value.tzname(None)!r}" if len(value.__getinitargs__()) > 1 else ""
            return f"{constructor}({self._render(value.utcoffset(None))}{name})"
        if kind.__name__ == "ZoneInfo":
            return f"{constructor}({value.key!r})"
        if kind.__name__ in ("Decimal", "Fraction", "UUID") or module == "ipaddress":
            return f"{constructor}({str(value)!r})"
        if module == "operator":
            reduced, arguments = value.__reduce__()[:2]
            if reduced is kind:
                return f"{constructor}({', '.join(self._render(part) for part in arguments)})"
        return None

    def _typing(self, value: Any, kind: type) -> str | None:
        alias = self.module("typing") if kind.__module__ in ("typing", "types") else ""
        if value in (typing.Any, typing.Self, typing.NoReturn) if kind.__module__ == "typing" else False:
            return f"{alias}.{value._name if hasattr(value, '_name') else value.__name__}"
        if kind is typing.TypeVar:
            bound = f", bound={self._render(value.__bound__)}" if value.__bound__ is not None else ""
            rest = "".join(f", {self._render(part)}" for part in value.__constraints__)
            return f"{alias}.TypeVar({value.__name__!r}{rest}{bound})"
        if isinstance(value, typing.NewType):
            return f"{alias}.NewType({value.__name__!r}, {self._render(value.__supertype__)})"
        origin, arguments = typing.get_origin(value), typing.get_args(value)
        if origin is None or kind.__module__ not in ("typing", "types"):
            return None
        if origin is types.UnionType:
            return f"({' | '.join(self._argument(part) for part in arguments)})"
        if origin is typing.Union:
            return f"{alias}.Union[{', '.join(self._argument(part) for part in arguments)}]"
        if origin is typing.Literal:
            return f"{alias}.Literal[{', '.join(self._render(part) for part in arguments)}]"
        if origin is typing.Annotated:
            return f"{alias}.Annotated[{', '.join(self._argument(part) for part in arguments)}]"
        return f"{self._render(origin)}[{', '.join(self._argument(part) for part in arguments)}]"

    def _argument(self, value: Any) -> str:
        if value is type(None):
            return "None"
        return self._render(value)

    def _instance(self, value: Any, kind: type) -> str | None:
        if isinstance(value, Enum):
            members: Any = getattr(kind, "__members__", {})
            member = value.name if value.name in members else None  # None for a combination of flags
            if member is None:
                return f"{self._render(kind)}({self._render(value.value)})"
            return f"{self._render(kind)}.{member}" if member.isidentifier() else f"{self._render(kind)}[{member!r}]"
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            constructor = self._render(kind) if "_fields" in vars(kind) else f"{self._render(kind)}._make"
            parts = ", ".join(self._render(part) for part in value)
            return f"{constructor}({parts})" if "_fields" in vars(kind) else f"{constructor}([{parts}])"
        if "__dataclass_params__" in vars(kind):
            return self._dataclass(value, kind)
        return None

    def _dataclass(self, value: Any, kind: type) -> str | None:
        """A dataclass whose constructor does nothing but take the fields."""
        if (
            hasattr(kind, "__post_init__")
            or not _is_generated(kind)
            or getattr(kind, "__new__", None) is not object.__new__
        ):
            return None
        fields = {field.name: field for field in dataclasses.fields(value)}
        held = set(getattr(value, "__dict__", fields))
        if held != set(fields) or not all(field.init and hasattr(value, field.name) for field in fields.values()):
            return None
        constructor = self._render(kind)
        return f"{constructor}({', '.join(f'{name}={self._render(getattr(value, name))}' for name in fields)})"

    def _numpy(self, value: Any, kind: type) -> str | None:
        numpy = sys.modules.get("numpy")
        if numpy is None:
            return None
        if isinstance(value, numpy.dtype) and value.names is None:
            return f"{self.module('numpy')}.dtype({value.str!r})"
        long = (numpy.longdouble, numpy.clongdouble)  # their digits don't fit into Python's numbers
        if isinstance(value, numpy.generic) and value.dtype.kind in "biufc" and value.dtype not in long:
            return f"{self.module('numpy')}.{kind.__name__}({self._render(value.item())})"
        if kind is numpy.ndarray and value.dtype.kind in "biufcU" and value.dtype not in long:
            if value.size > _ARRAY_LIMIT:
                raise NotAConstantError(f"it is a NumPy array of {value.size} elements")
            text = f"{self.module('numpy')}.array({self._render(value.ravel().tolist())}, dtype={value.dtype.str!r})"
            return text if value.ndim == 1 else f"{text}.reshape({value.shape})"
        return None


def equal_constants(left: Any, right: Any) -> bool:
    """Find out whether two values are constants with the same expression.

    Args:
        left: One value.
        right: The other.

    Returns:
        False also for what has no expression of its own, as a function.
    """
    if type(left) is not type(right) or callable(left) or isinstance(left, types.ModuleType):
        return False
    try:
        return Renderer(_no_name).render(left) == Renderer(_no_name).render(right)
    except NotAConstantError:
        return False


def _no_name(_: object) -> None:
    """Constants alone are compared: a function, class or module has no expression."""


def _is_generated(kind: type) -> bool:
    """Whether a dataclass's constructor is the one that `dataclasses` writes, for it and without `InitVar`s."""
    code = getattr(vars(kind).get("__init__"), "__code__", None)
    fields: Any = kind.__dict__["__dataclass_fields__"]
    known = {name for name, field in fields.items() if field._field_type.name == "_FIELD"}
    return (
        code is not None
        and code.co_filename.startswith("<string>")
        and set(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]) <= known
    )


def _a(kind: type) -> str:
    module = kind.__module__.partition(".")[0]
    name = kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
