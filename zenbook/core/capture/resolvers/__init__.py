"""One resolver for each kind of object that a name of the notebook can stand for.

A resolver makes the item of the kind that it knows, and returns whether the object was of that kind. The list is the
order in which they are asked: what was imported travels as an import, whatever it is.
"""

from __future__ import annotations

from zenbook.core.capture.context import Resolver
from zenbook.core.capture.resolvers.classes import resolve_class
from zenbook.core.capture.resolvers.constant_values import resolve_constant
from zenbook.core.capture.resolvers.functions import resolve_function
from zenbook.core.capture.resolvers.imports import resolve_import
from zenbook.core.capture.resolvers.modules import resolve_module
from zenbook.core.capture.resolvers.wrappers import resolve_decorated_object, resolve_wrapper

RESOLVERS: tuple[Resolver, ...] = (
    resolve_module,
    resolve_import,
    resolve_function,
    resolve_class,
    resolve_wrapper,
    resolve_decorated_object,
    resolve_constant,  # everything else, if it has an expression
)
