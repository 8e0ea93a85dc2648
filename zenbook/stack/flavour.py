"""Flavours: kinds of component, found by entry point and loaded on first use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from functools import lru_cache
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from zenbook.errors import StackError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel


class ComponentKind(StrEnum):
    """The three components of a stack."""

    ARTIFACT_STORE = "artifact_store"
    METADATA_STORE = "metadata_store"
    ORCHESTRATOR = "orchestrator"

    @property
    def spoken(self) -> str:
        """For people."""
        return self.value.replace("_", " ")

    @property
    def one(self) -> str:
        """With its article: ``an artifact store``."""
        return f"{'an' if self.value[0] in 'aeiou' else 'a'} {self.spoken}"

    @property
    def dashed(self) -> str:
        """In the shell."""
        return self.value.replace("_", "-")

    @property
    def section(self) -> str:
        """Where ``config.yaml`` keeps them."""
        return self.value + "s"

    @property
    def group(self) -> str:
        """The entry point group of its flavours."""
        return f"zenbook.{self.value}s"


class Flavour(ABC):
    """How a component of one flavour is configured and made."""

    kind: ClassVar[ComponentKind]
    name: ClassVar[str]
    settings: ClassVar[type[BaseModel]]  # extra keys forbidden; secrets are SecretStr
    schemes: ClassVar[tuple[str, ...]] = ()  # of the URLs that mean this flavour; a URL is its setting `path`
    extra: ClassVar[str] = ""  # of zenbook, that brings the packages which `make` imports
    packages: ClassVar[tuple[str, ...]] = ()  # these, by the names of their modules

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of `packages` that are not installed here."""
        return tuple(one for one in self.packages if find_spec(one) is None)

    @abstractmethod
    def make(self, settings: Any, home: Path) -> Any:
        """The component; ``settings`` is an instance of `settings`, ``home`` the workspace's folder."""


@lru_cache(maxsize=8)
def _points(kind: ComponentKind) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=kind.group)}


@lru_cache(maxsize=8)
def _own_points(kind: ComponentKind) -> dict[str, EntryPoint]:
    """Those of zenbook itself: looking through all that is installed takes 10 ms."""
    try:
        own = distribution("zenbook").entry_points
    except PackageNotFoundError:
        return {}
    return {point.name: point for point in own.select(group=kind.group)}


def flavours(kind: ComponentKind) -> tuple[str, ...]:
    """The names of the flavours that are installed."""
    return tuple(sorted(_points(kind)))


def flavour(kind: ComponentKind, name: str) -> Flavour:
    """Load a flavour. Raises `StackError` for one that is not installed, or whose own packages are missing."""
    point = _own_points(kind).get(name) or _points(kind).get(name)
    if point is None:
        raise StackError(
            f"There is no {kind.spoken} of flavour {name!r}.",
            did_you_mean(name, _points(kind), noun="flavour")
            or "Install zenbook (pip install zenbook), so that its entry points are known.",
        )
    try:
        made = point.load()()
    except ImportError as error:
        raise StackError(
            f"The flavour {name!r} of {kind.spoken} can't be imported: {error}.",
            f'Is a package that it needs missing? pip install "zenbook[{name}]"',
        ) from error
    if not isinstance(made, Flavour) or made.kind is not kind:
        raise StackError(f"The entry point {point.value!r} is no flavour of {kind.spoken}.", "Mend that package.")
    return made
