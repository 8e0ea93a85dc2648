"""A stack's choice of a component, and the sources of such choices: arguments, environment, ``config.yaml``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, model_serializer, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from zenbook.errors import StackError
from zenbook.stack.flavour import ComponentKind
from zenbook.stack.workspace import Workspace


class Choice(BaseModel):
    """The component of one kind that a stack uses.

    A ``name`` means a registered component, and options beside it win over the registered ones. A ``flavour`` with
    options describes one that is registered nowhere.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    name: str = ""
    flavour: str = ""

    @model_validator(mode="before")
    @classmethod
    def _accept_a_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping | Choice):
            return value
        raise ValueError("it is neither the name of a registered component nor a flavour with options")

    @model_validator(mode="after")
    def _is_not_empty(self) -> Choice:
        if not self.name and not self.flavour:
            raise ValueError("a component needs a name or a flavour")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options beside its name or flavour."""
        return dict(self.model_extra or {})

    @model_serializer
    def _to_plain_value(self) -> str | dict[str, Any]:
        if self.name and not self.flavour and not self.model_extra:
            return self.name
        names = {key: value for key, value in (("name", self.name), ("flavour", self.flavour)) if value}
        return {**names, **self.options}

    def to_env_value(self) -> str:
        """The value that a variable ``ZENBOOK_STACK_…`` takes; it contains the secrets among the options."""
        plain = self._to_plain_value()
        return plain if isinstance(plain, str) else json.dumps(plain, default=_reveal_secret)

    def __str__(self) -> str:
        return self.name or self.flavour

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield "name", self.name
        if self.flavour:
            yield "flavour", self.flavour
        if self.model_extra:  # any of them may be a secret
            yield "options", sorted(self.model_extra)


def _reveal_secret(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


class FromArguments(PydanticBaseSettingsSource):
    """The arguments of ``Stack(…)``."""

    def __init__(self, settings_cls: type[BaseSettings], arguments: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self.arguments = arguments

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Answer pydantic's question for one value. Not used: `__call__` returns all values at once.

        Args:
            field: The field's definition.
            field_name: The field's name.

        Returns:
            No value.
        """
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values by field."""
        return _as_mappings(self.arguments())


class FromEnvironment(EnvSettingsSource):
    """``ZENBOOK_STACK_METADATA_STORE=prod-db`` names a component, ``…__PASSWORD=…`` sets one of its options."""

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        """Parse the value of a component's variable.

        Args:
            field_name: The field's name, as ``metadata_store``.
            field: The field's definition.
            value: A name or JSON.

        Returns:
            The choice as a mapping.

        Raises:
            StackError: The value is neither a name nor JSON.
        """
        if isinstance(value, str) and not value.lstrip().startswith("{"):
            return {"name": value}
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError as error:
            raise StackError(
                f"The variable ZENBOOK_STACK_{field_name.upper()} is neither a name nor a JSON object.",
                "Write a name or an object in braces. To set one option alone, put `__` before its name.",
            ) from error

    def __call__(self) -> dict[str, Any]:
        """The values by field."""
        return _without_overridden(
            _as_mappings(super().__call__()), self.current_state, lambda key: key in ("name", "flavour")
        )


class FromConfig(PydanticBaseSettingsSource):
    """The stack's entry in ``.zen/config.yaml``, and the defaults of what it leaves out."""

    def __init__(self, settings_cls: type[BaseSettings], active: Callable[[], str]) -> None:
        super().__init__(settings_cls)
        self.active = active

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Answer pydantic's question for one value. Not used: `__call__` returns all values at once.

        Args:
            field: The field's definition.
            field_name: The field's name.

        Returns:
            No value.
        """
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values by field."""
        name = self.current_state.get("name") or self.active()
        entry = (Workspace.find().config().stacks or {}).get(name) or {}
        defaults = {kind.value: self.settings_cls.model_fields[kind.value].default for kind in ComponentKind}
        return _without_overridden(
            _as_mappings({"name": name, **defaults, **entry}), self.current_state, lambda _: True
        )


def _as_mappings(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with every choice as a mapping, so that one source can set an option of another source's component."""
    result = dict(values)
    for kind in ComponentKind:
        choice = result.get(kind.value)
        if isinstance(choice, str):
            result[kind.value] = {"name": choice}
        elif isinstance(choice, Choice):
            names = {key: value for key, value in (("name", choice.name), ("flavour", choice.flavour)) if value}
            result[kind.value] = {**choice.options, **names}
    return result


def _without_overridden(
    values: dict[str, Any], before: Mapping[str, Any], belongs_to_component: Callable[[str], bool]
) -> dict[str, Any]:
    """The values without what belongs to another component than the one that an earlier source has chosen."""
    for kind in ComponentKind:
        earlier, choice = before.get(kind.value), values.get(kind.value)
        if isinstance(earlier, Mapping) and isinstance(choice, Mapping) and {"name", "flavour"} & earlier.keys():
            values[kind.value] = {key: value for key, value in choice.items() if not belongs_to_component(key)}
    return values


def first_mistake(error: ValidationError) -> tuple[str, str, str]:
    """Describe the first mistake in some settings, without any value.

    Args:
        error: pydantic's error.

    Returns:
        The setting, as ``artifact_store.path``; what is wrong; pydantic's type of the mistake.
    """
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"].removeprefix("Value error, "), first["type"]


__all__ = ["Choice", "FromArguments", "FromConfig", "FromEnvironment", "first_mistake"]
