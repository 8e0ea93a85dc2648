"""Flavours: kinds of component, found by entry point and loaded on first use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zenbook.core.entry_points import entry_points_by_name, find_entry_point
from zenbook.errors import StackError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class _KindData:
    article: str  # before the label
    short_flag: str  # one letter: the option of `zen stack register`
    config_word: str  # in `zen config WORD set`
    has_urls: bool = True  # whether a URL can say which flavour is meant
    optional: bool = False  # whether a stack may have none
    several: bool = False  # whether a stack may have more than one


class ComponentKind(StrEnum):
    """The kinds of component of which a stack consists. All that zenbook knows of a kind is its entry here."""

    ARTIFACT_STORE = "artifact_store", _KindData("an", "a", "artifacts")
    METADATA_STORE = "metadata_store", _KindData("a", "m", "metadata")
    ORCHESTRATOR = "orchestrator", _KindData("an", "o", "orchestrator", has_urls=False)

    label: str  # for people: "artifact store"
    label_with_article: str  # "an artifact store"
    cli_name: str  # in the shell: "artifact-store"
    short_flag: str
    config_word: str
    config_key: str  # the section of config.yaml with the components of this kind: "artifact_stores"
    entry_point_group: str  # of its flavours: "zenbook.artifact_stores"
    has_urls: bool
    optional: bool
    several: bool

    def __new__(cls, value: str, data: _KindData | None = None) -> Self:
        """Create a member; every entry has data, and ``ComponentKind("orchestrator")`` only looks one up."""
        assert data is not None
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.label = value.replace("_", " ")
        kind.label_with_article = f"{data.article} {kind.label}"
        kind.cli_name = value.replace("_", "-")
        kind.short_flag, kind.config_word, kind.has_urls = data.short_flag, data.config_word, data.has_urls
        kind.config_key = f"{value}s"
        kind.entry_point_group = f"zenbook.{value}s"
        kind.optional, kind.several = data.optional, data.several
        return kind


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
        """The packages among `packages` that are not installed."""
        return tuple(package for package in self.packages if find_spec(package) is None)

    @abstractmethod
    def make(self, settings: Any, home: Path) -> Any:
        """Make a component.

        Args:
            settings: An instance of the class `settings`.
            home: The workspace's folder.

        Returns:
            The component: an artifact store, a metadata store or an orchestrator.
        """


def flavours(kind: ComponentKind) -> tuple[str, ...]:
    """List the flavours of a kind that are installed.

    Args:
        kind: The kind of component.

    Returns:
        Their names, sorted.
    """
    return tuple(sorted(entry_points_by_name(kind.entry_point_group)))


def flavour(kind: ComponentKind, name: str) -> Flavour:
    """Load a flavour.

    Args:
        kind: The kind of component.
        name: The flavour's name.

    Returns:
        The flavour.

    Raises:
        StackError: It is not installed, or a package that it needs is missing.
    """
    point = find_entry_point(kind.entry_point_group, name)
    if point is None:
        raise StackError(
            f"There is no {kind.label} of flavour {name!r}.",
            did_you_mean(name, flavours(kind), noun="flavour")
            or "Install zenbook (pip install zenbook), so that its entry points are known.",
        )
    try:
        loaded = point.load()()
    except ImportError as error:
        raise StackError(
            f"The flavour {name!r} of {kind.label} cannot be imported: {error}.",
            f'A package that it needs may be missing: pip install "zenbook[{name}]"',
        ) from error
    if not isinstance(loaded, Flavour) or loaded.kind is not kind:
        raise StackError(
            f"The entry point {point.value!r} is not a flavour of {kind.label}.",
            "Fix the entry point in the package that declares it.",
        )
    return loaded
