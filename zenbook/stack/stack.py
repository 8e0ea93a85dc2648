"""A stack: a named choice of artifact store, metadata store and orchestrator, as a pydantic settings class.

The first that speaks wins: arguments, environment (``ZENBOOK_STACK_ORCHESTRATOR=…``), ``.zen/config.yaml``, defaults.
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

    Raises `StackError` for a setting that there is not or that can't be.
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
            where, what, kind = first_mistake(error)
            hint = did_you_mean(where, type(self).model_fields, noun="setting") if kind == "extra_forbidden" else ""
            said = "is unknown" if kind == "extra_forbidden" else what
            name = values.get("name")
            whose = f"A setting of the stack {name!r}" if isinstance(name, str) and name else "A stack's setting"
            raise StackError(f"{whose} can't be: {where}: {said}.", hint) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then ``config.yaml``."""
        return (
            FromArguments(settings_cls, init_settings),
            FromEnvironment(settings_cls),
            FromConfig(settings_cls, active_name),
        )

    @classmethod
    def named(cls, name: str | None = None) -> Stack:
        """The stack of that name; without one, ``ZENBOOK_STACK``'s or the active one. Raises `StackError`."""
        chosen = name or active_name()
        if chosen not in stack_names():
            raise StackError(f"There is no stack {chosen!r}.", did_you_mean(chosen, stack_names(), noun="stack"))
        said = (Workspace.find().config(), _variables())
        kept = _made.get((cls, chosen))
        if kept is None or kept[0] != said:  # making one takes a millisecond, and each question to the history asks
            _refuse_unknown_variables(cls)
            kept = _made[cls, chosen] = (said, cls(name=chosen))
        return kept[1]

    @property
    def label(self) -> str:
        """Its name as runs show it: that of a stack for production says so."""
        return f"{self.name} (production)" if self.production else self.name

    def choice(self, kind: ComponentKind) -> Choice:
        """The component of one kind."""
        chosen: Choice = getattr(self, kind.value)
        return chosen

    def open(self, workspace: Workspace | None = None) -> OpenStack:
        """Make the components. Raises `StackError` for one that can't be made."""
        workspace = workspace or Workspace.find()
        return OpenStack(
            stack=self,
            artifacts=make_component(ComponentKind.ARTIFACT_STORE, self.artifact_store, workspace),
            metadata=make_component(ComponentKind.METADATA_STORE, self.metadata_store, workspace),
            workspace=workspace,
        )


@dataclass(frozen=True)
class OpenStack:
    """A stack with its components made."""

    stack: Stack
    artifacts: ArtifactStore
    metadata: MetadataStore
    workspace: Workspace

    @cached_property
    def orchestrator(self) -> Orchestrator:
        """Who executes plans; made when it is asked for, since a worker needs none. Raises `StackError`."""
        made: Orchestrator = make_component(ComponentKind.ORCHESTRATOR, self.stack.orchestrator, self.workspace)
        return made

    def with_orchestrator(self, orchestrator: Orchestrator) -> OpenStack:
        """The same stores with an orchestrator that is made already."""
        other = replace(self)
        vars(other)["orchestrator"] = orchestrator
        return other

    def variables(self) -> dict[str, str]:
        """What makes another process of this machine open this very stack, whatever folder it starts in.

        They may hold secrets.
        """
        prefix = str(Stack.model_config["env_prefix"])
        return {
            "ZENBOOK_WORKSPACE": str(self.workspace.home),
            **{f"{prefix}{kind.upper()}": self.stack.choice(kind).to_env_value() for kind in ComponentKind},
        }


_made: dict[tuple[type[Stack], str], tuple[tuple[Config, dict[str, str]], Stack]] = {}


def _variables() -> dict[str, str]:
    """The variables of the environment that may choose something."""
    return {name: value for name, value in os.environ.items() if name.upper().startswith("ZENBOOK_")}


def _refuse_unknown_variables(model: type[Stack]) -> None:
    """A misspelt ``ZENBOOK_STACK_…`` would otherwise choose nothing, and nobody would know.

    So would ``…_NAME``, since it is ``ZENBOOK_STACK`` that picks a stack.
    """
    prefix = str(model.model_config["env_prefix"])
    known = ["ZENBOOK_STACK", "ZENBOOK_WORKSPACE", *(f"{prefix}{f.upper()}" for f in model.model_fields if f != "name")]
    for variable in _variables():
        upper = variable.upper()
        if upper.partition("__")[0] in known:
            continue
        if upper.startswith(prefix):
            hint = did_you_mean(variable, known, noun="variable", prefix="ZENBOOK_")
        elif close := get_close_matches(upper, known[:2], n=1, cutoff=0.9):  # others may be of somebody's component
            hint = f"Did you mean {close[0]!r}?"
        else:
            continue
        raise StackError(f"The variable {variable} sets nothing.", hint)


def active_name() -> str:
    """The name of the stack that is switched on."""
    return os.environ.get("ZENBOOK_STACK") or Workspace.find().config().active


def stack_names() -> tuple[str, ...]:
    """The stacks that there are, ``default`` first."""
    return tuple(dict.fromkeys((DEFAULT, *(Workspace.find().config().stacks or {}))))


_open_stacks: dict[tuple[str, ...], OpenStack] = {}


def open_stack(name: str | None = None) -> OpenStack:
    """The open stack of that name, made once for each process, workspace and set of choices."""
    stack = Stack.named(name)
    workspace = Workspace.find()
    if not workspace.exists:  # deleted, or not made yet
        workspace.ensure()
        _open_stacks.clear()
    key = (str(os.getpid()), str(workspace.home), stack.name, *_cache_key_parts(stack, workspace))
    found = _open_stacks.get(key)
    opened = found if found is not None else _open_stacks.setdefault(key, stack.open(workspace))
    send_spooled(opened.metadata, workspace.home, str(stack.metadata_store))
    return opened


def _cache_key_parts(stack: Stack, workspace: Workspace) -> Iterator[str]:
    """All that the stack's components depend on: what is registered, what overrides it, the variables it refers to."""
    for kind in ComponentKind:
        choice = stack.choice(kind)
        entry = None if choice.flavour else entry_of(kind, choice.name, workspace)
        yield f"{choice.to_env_value()} {entry!r}"
        for variable in (*variables_in(entry or {}), *variables_in(choice.options)):
            yield f"{variable}={os.environ.get(variable)}"


__all__ = ["OpenStack", "Stack", "active_name", "open_stack", "stack_names"]
