"""A stack: a named choice of artifact store, metadata store and orchestrator, as a pydantic settings class.

The first that speaks wins: arguments, environment (``ZENBOOK_STACK_ORCHESTRATOR=…``), ``.zen/config.yaml``, defaults.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from zenbook.errors import StackError, did_you_mean
from zenbook.stack.components import ArtifactStore, MetadataStore, Orchestrator
from zenbook.stack.flavour import ComponentKind, flavour, flavours
from zenbook.stack.spool import send_spooled
from zenbook.stack.workspace import Workspace

DEFAULT = "default"
_BUILT_IN = {  # the components that are there without registering: (kind, name) → flavour
    (ComponentKind.ARTIFACT_STORE, "local"): "local",
    (ComponentKind.METADATA_STORE, "local"): "sqlite",
    (ComponentKind.ORCHESTRATOR, "local"): "local",
    (ComponentKind.ORCHESTRATOR, "process"): "process",
}


class Stack(BaseSettings):
    """Which component of each kind a run uses, by the names under which they are registered."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="ZENBOOK_STACK_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    name: str = DEFAULT
    artifact_store: str = "local"
    metadata_store: str = "local"
    orchestrator: str = "local"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then ``config.yaml``."""
        return init_settings, env_settings, _ConfigSource(settings_cls, init_settings)

    @classmethod
    def named(cls, name: str | None = None) -> Stack:
        """The stack of that name; without one, ``ZENBOOK_STACK``'s or the active one. Raises `StackError`."""
        chosen = name or active_name()
        if chosen not in stack_names():
            raise StackError(f"There is no stack {chosen!r}.", did_you_mean(chosen, stack_names(), noun="stack"))
        _refuse_unknown_variables(cls)
        try:
            return cls(name=chosen)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise StackError(
                f"The stack {chosen!r} has a setting that can't be: {key}: {first['msg']}.",
                did_you_mean(key, cls.model_fields, noun="setting"),
            ) from error

    def open(self, workspace: Workspace | None = None) -> OpenStack:
        """Make the components. Raises `StackError` for one that can't be made."""
        workspace = workspace or Workspace.find()
        make = _Maker(workspace)
        return OpenStack(
            stack=self,
            artifacts=make(ComponentKind.ARTIFACT_STORE, self.artifact_store),
            metadata=make(ComponentKind.METADATA_STORE, self.metadata_store),
            orchestrator=make(ComponentKind.ORCHESTRATOR, self.orchestrator),
            workspace=workspace,
        )


@dataclass(frozen=True, slots=True)
class OpenStack:
    """A stack with its components made."""

    stack: Stack
    artifacts: ArtifactStore
    metadata: MetadataStore
    orchestrator: Orchestrator
    workspace: Workspace


def _refuse_unknown_variables(model: type[Stack]) -> None:
    """A misspelt ``ZENBOOK_STACK_…`` would otherwise choose nothing, and nobody would know."""
    prefix = str(model.model_config["env_prefix"])
    for variable in os.environ:
        field = variable.upper().removeprefix(prefix).lower()
        if variable.upper().startswith(prefix) and field.partition("__")[0] not in model.model_fields:
            known = [f"{prefix}{one.upper()}" for one in model.model_fields]
            raise StackError(f"The variable {variable} sets nothing.", did_you_mean(variable, known, noun="variable"))


def active_name() -> str:
    """The name of the stack that is switched on."""
    return os.environ.get("ZENBOOK_STACK") or Workspace.find().config().active


def stack_names() -> tuple[str, ...]:
    """The stacks that there are, ``default`` first."""
    return tuple(dict.fromkeys((DEFAULT, *(Workspace.find().config().stacks or {}))))


_open_stacks: dict[tuple[str, str, int], OpenStack] = {}


def open_stack(name: str | None = None) -> OpenStack:
    """The open stack of that name, made once for each process, workspace and set of choices."""
    stack = Stack.named(name)
    workspace = Workspace.find()
    stamp = workspace.config_file.stat().st_mtime_ns if workspace.config_file.exists() else 0
    key = (str(workspace.home), f"{os.getpid()}:{stamp}:{stack.model_dump_json()}", int(workspace.exists))
    if key not in _open_stacks:
        workspace.ensure()
        _open_stacks[key[0], key[1], 1] = stack.open(workspace)
    opened = _open_stacks[key[0], key[1], 1]
    send_spooled(opened.metadata, workspace.home, stack.metadata_store)
    return opened


class _Maker:
    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.config = workspace.config()

    def __call__(self, kind: ComponentKind, name: str) -> Any:
        entry = self.config.component(kind.value + "s", name)
        if entry is None and (kind, name) in _BUILT_IN:
            entry = {"flavour": _BUILT_IN[kind, name]}
        if entry is None:
            known = [
                *((self.config.components or {}).get(kind.value + "s") or {}),
                *(n for k, n in _BUILT_IN if k is kind),
            ]
            raise StackError(f"There is no {kind.spoken} {name!r}.", did_you_mean(name, known, noun=kind.spoken))
        options = {key: value for key, value in entry.items() if key != "flavour"}
        chosen = flavour(kind, str(entry.get("flavour", "")))
        return chosen.make(_settings(chosen.settings, options, f"{kind.spoken} {name!r}"), self.workspace.home)


def _settings(model: type[BaseModel], options: dict[str, Any], what: str) -> BaseModel:
    try:
        return model(**options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        hint = did_you_mean(key, model.model_fields, noun="option") if first["type"] == "extra_forbidden" else ""
        raise StackError(f"The {what} has an option that can't be: {key}: {first['msg']}.", hint) from None


class _ConfigSource(PydanticBaseSettingsSource):
    """The stack's entry in ``.zen/config.yaml``."""

    def __init__(self, settings_cls: type[BaseSettings], init: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self.init = init

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the whole entry is given at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        name = self.init().get("name") or active_name()
        entry = (Workspace.find().config().stacks or {}).get(name)
        if entry is not None and not isinstance(entry, dict):
            raise StackError(f"The stack {name!r} in config.yaml is no mapping.", "Mend it by hand.")
        return {"name": name, **(entry or {})}


__all__ = ["OpenStack", "Stack", "active_name", "flavours", "open_stack", "stack_names"]
