"""Which statements of a notebook define something and do nothing else: all that is executed of one that is analysed."""

from __future__ import annotations

import ast
import builtins
import collections
import datetime
import decimal
import fractions
import pathlib
import re
import typing
from typing import Any

_MAKERS = (  # calls that make a constant, and do nothing else
    *(bool, bytes, complex, dict, float, frozenset, int, list, range, set, str, tuple),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, decimal.Decimal, fractions.Fraction),
    *(pathlib.Path, pathlib.PurePath, re.compile, collections.namedtuple),
    *(typing.NewType, typing.TypeVar, typing.ParamSpec),
)
_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)


def only_defines(statement: ast.stmt, space: dict[str, Any]) -> bool:
    """Whether a statement only imports, defines, or gives names to constants.

    Args:
        statement: The statement.
        space: What was defined before, by name.

    Returns:
        True if executing it has no other effect.
    """
    if isinstance(statement, _DEFINITIONS):
        return True
    if isinstance(statement, ast.Assign):
        return all(map(_names, statement.targets)) and _is_constant(statement.value, space)
    if isinstance(statement, ast.AnnAssign):
        return _names(statement.target) and (statement.value is None or _is_constant(statement.value, space))
    if isinstance(statement, ast.If):  # if TYPE_CHECKING: …
        return _is_constant(statement.test, space) and _all_define([*statement.body, *statement.orelse], space)
    if isinstance(statement, ast.Try):  # try: import … except ImportError: …
        handlers = [inner for handler in statement.handlers for inner in handler.body]
        return _all_define([*statement.body, *handlers, *statement.orelse, *statement.finalbody], space)
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _all_define(statements: list[ast.stmt], space: dict[str, Any]) -> bool:
    return all(only_defines(statement, space) for statement in statements)


def _names(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_names, target.elts))
    return isinstance(target, ast.Name)


def _is_constant(value: ast.expr, space: dict[str, Any]) -> bool:
    """Whether an expression has no effect but its value: no call but of what makes a constant."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and not any(_object(node.func, space) is maker for maker in _MAKERS):
            return False
        if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
            return False
    return True


def _object(chain: ast.expr, space: dict[str, Any]) -> Any:
    """What ``name`` or ``module.name`` stands for."""
    if isinstance(chain, ast.Name):
        return space.get(chain.id, vars(builtins).get(chain.id))
    if isinstance(chain, ast.Attribute) and isinstance(chain.value, ast.Name):
        return getattr(space.get(chain.value.id), chain.attr, None)
    return None
