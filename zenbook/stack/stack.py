"""A stack: a named choice of artifact store, metadata store and orchestrator, as a pydantic settings class.

The first source that has a value wins: arguments, environment (``ZENBOOK_STACK_ORCHESTRATOR=…``),
``.zen/config.yaml``, defaults.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any, ClassVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from zenbook.errors import StackError, did_you_mean
from zenbook.stack.artifact_store import ArtifactStore
from zenbook.stack.component_choice import Choice, FromArguments, FromConfig, FromEnvironment, first_mistake
from zenbook.stack.component_factory import entry_of, make_component
from zenbook.stack.config_file import Config
from zenbook.stack.flavour import ComponentKind
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.orchestrator import Orchestrator
from zenbook.stack.secrets import variables_in
from zenbook.stack.spool import send_spooled
from zenbook.stack.workspace import Workspace

DEFAULT = "default"


class Stack(BaseSettings):
    """Which component of each kind a run uses: a registered one by name, or one described by flavour and options.

    Raises `StackError` for a setting that is unknown or not valid.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="ZENBOOK_STACK_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    name: str = DEFAULT
    artifact_store: Choice = Choice(name="local")
    metadata_store: Choice = Choice(name="local")
    orchestrator: Choice = Choice(name="local")
    production: bool = False  # whether to ask before something is destroyed, and to show the stack's name everywhere

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            setting, reason, kind = first_mistake(error)
            name = values.get("name")
            stack = f"the stack {name!r}" if isinstance(name, str) and name else "a stack"
            if kind == "extra_forbidden":
                hint = did_you_mean(setting, type(self).model_fields, noun="setting")
                raise StackError(f"Unknown setting {setting!r} in {stack}.", hint) from None
            raise StackError(f"Invalid setting {setting!r} in {stack}: {reason}.") from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Choose the sources of settings: arguments, then the environment, then ``config.yaml``.

        Args:
            settings_cls: This class.
            init_settings: The arguments.
            env_settings: Not used: `FromEnvironment` reads the environment.
            dotenv_settings: Not used.
            file_secret_settings: Not used.

        Returns:
            The sources; the first that has a value wins.
        """
        return (
            FromArguments(settings_cls, init_settings),
            FromEnvironment(settings_cls),
            FromConfig(settings_cls, active_name),
        )

    @classmethod
    def named(cls, name: str | None = None) -> Stack:
        """Find a stack.

        Args:
            name: The stack's name; by default that in ``ZENBOOK_STACK``, else the active stack.

        Returns:
            The stack.

        Raises:
            StackError: No stack has that name.
        """
        chosen = name or active_name()
        if chosen not in stack_names():
            raise StackError(f"Unknown stack {chosen!r}.", did_you_mean(chosen, stack_names(), noun="stack"))
        sources = (Workspace.find().config(), _variables())
        cached = _cache.get((cls, chosen))
        if cached is None or cached[0] != sources:  # to create one takes a millisecond, and every query needs one
            _refuse_unknown_variables(cls)
            cached = _cache[cls, chosen] = (sources, cls(name=chosen))
        return cached[1]

    @property
    def label(self) -> str:
        """The name as people see it; it says whether the stack is for production."""
        return f"{self.name} (production)" if self.production else self.name

    def choice(self, kind: ComponentKind) -> Choice:
        """Get the choice of one component.

        Args:
            kind: The component's kind.

        Returns:
            The choice.
        """
        choice: Choice = getattr(self, kind.value)
        return choice

    def open(self, workspace: Workspace | None = None) -> OpenStack:
        """Open the stores.

        Args:
            workspace: Where the components are registered; by default the current workspace.

        Returns:
            The open stack; its orchestrator is made when it is first used.
        """
        workspace = workspace or Workspace.find()
        return OpenStack(
            stack=self,
            artifacts=make_component(ComponentKind.ARTIFACT_STORE, self.artifact_store, workspace),
            metadata=make_component(ComponentKind.METADATA_STORE, self.metadata_store, workspace),
            workspace=workspace,
        )


@dataclass(frozen=True)
class OpenStack:
    """A stack with open stores."""

    stack: Stack
    artifacts: ArtifactStore
    metadata: MetadataStore
    workspace: Workspace

    @cached_property
    def orchestrator(self) -> Orchestrator:
        """The orchestrator; made on first use, because a worker needs none."""
        orchestrator: Orchestrator = make_component(ComponentKind.ORCHESTRATOR, self.stack.orchestrator, self.workspace)
        return orchestrator

    def with_orchestrator(self, orchestrator: Orchestrator) -> OpenStack:
        """Combine these stores with another orchestrator.

        Args:
            orchestrator: The orchestrator.

        Returns:
            A new open stack.
        """
        other = replace(self)
        vars(other)["orchestrator"] = orchestrator
        return other

    def variables(self) -> dict[str, str]:
        """The variables with which another process of this machine opens this stack, whatever folder it starts in.

        Returns:
            Their values by name; they may contain secrets.
        """
        prefix = str(Stack.model_config["env_prefix"])
        return {
            "ZENBOOK_WORKSPACE": str(self.workspace.home),
            **{f"{prefix}{kind.upper()}": self.stack.choice(kind).to_env_value() for kind in ComponentKind},
        }


_cache: dict[tuple[type[Stack], str], tuple[tuple[Config, dict[str, str]], Stack]] = {}


def _variables() -> dict[str, str]:
    """The environment variables that may choose a stack or a component."""
    return {name: value for name, value in os.environ.items() if name.upper().startswith("ZENBOOK_")}


def _refuse_unknown_variables(model: type[Stack]) -> None:
    """Refuse a misspelt ``ZENBOOK_STACK_…``, which would be ignored, and ``…_NAME``, for which there is another."""
    prefix = str(model.model_config["env_prefix"])
    known = ["ZENBOOK_STACK", "ZENBOOK_WORKSPACE", *(f"{prefix}{f.upper()}" for f in model.model_fields if f != "name")]
    for variable in _variables():
        upper = variable.upper()
        if upper.partition("__")[0] in known:
            continue
        if upper.startswith(prefix):
            hint = did_you_mean(variable, known, noun="variable", prefix="ZENBOOK_")
        elif close := get_close_matches(upper, known[:2], n=1, cutoff=0.9):  # others may be of a component
            hint = f"Did you mean {close[0]!r}?"
        else:
            continue
        raise StackError(f"Unknown environment variable {variable}.", hint)


def active_name() -> str:
    """The name of the active stack."""
    return os.environ.get("ZENBOOK_STACK") or Workspace.find().config().active


def stack_names() -> tuple[str, ...]:
    """The names of all stacks, ``default`` first."""
    return tuple(dict.fromkeys((DEFAULT, *(Workspace.find().config().stacks or {}))))


_open_stacks: dict[tuple[str, ...], OpenStack] = {}


def open_stack(name: str | None = None) -> OpenStack:
    """Open a stack, once for each process, workspace and set of choices; send what waits for its metadata store.

    Args:
        name: The stack's name; by default the active stack.

    Returns:
        The open stack.
    """
    stack = Stack.named(name)
    workspace = Workspace.find()
    if not workspace.exists:  # deleted, or not created yet
        workspace.ensure()
        _open_stacks.clear()
    key = (str(os.getpid()), str(workspace.home), stack.name, *_cache_key_parts(stack, workspace))
    opened = _open_stacks.get(key) or _open_stacks.setdefault(key, stack.open(workspace))
    send_spooled(opened.metadata, workspace.home, str(stack.metadata_store))
    return opened


def _cache_key_parts(stack: Stack, workspace: Workspace) -> Iterator[str]:
    """What the stack's components depend on: the registered options, what overrides them, and referenced variables."""
    for kind in ComponentKind:
        choice = stack.choice(kind)
        entry = None if choice.flavour else entry_of(kind, choice.name, workspace)
        yield f"{choice.to_env_value()} {entry!r}"
        for variable in (*variables_in(entry or {}), *variables_in(choice.options)):
            yield f"{variable}={os.environ.get(variable)}"


__all__ = ["OpenStack", "Stack", "active_name", "open_stack", "stack_names"]
