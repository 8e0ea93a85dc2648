"""The settings of a database server: where it is, who logs in, how the connection is protected."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, model_validator


class Tls(StrEnum):
    """How much a connection must be protected."""

    AUTO = "auto"
    VERIFY = "verify"
    REQUIRED = "required"
    OFF = "off"


class ServerSettings(BaseModel):
    """The settings that all database servers have. No error and no text shows their values."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, hide_input_in_errors=True, frozen=True)

    path: str | None = Field(
        None, description="All in one URL: mysql://user:password@host:3306/database; its parts become settings."
    )
    host: str = Field("127.0.0.1", description="Name or address of the server or its proxy.")
    port: int = Field(ge=1, le=65535, description="Port of the server.")
    username: str | None = Field(
        None, validation_alias=AliasChoices("username", "user"), description="User who logs in; by default you."
    )
    password: SecretStr | None = Field(
        None, validation_alias=AliasChoices("password", "passwd"), description="The user's password."
    )
    database: str = Field(
        "zenbook",
        min_length=1,
        max_length=63,
        validation_alias=AliasChoices("database", "db"),
        description="Database for zenbook's tables; it is created if it is missing and the user may create it.",
    )
    unix_socket: Path | None = Field(
        None, description="Socket of a server on this machine, or the folder of a Cloud SQL proxy's sockets."
    )
    ssl_ca: Path | None = Field(
        None, description="File of the CA certificates that sign the server's certificate; by default the system's."
    )
    ssl_cert: Path | None = Field(None, description="File of the client's certificate.")
    ssl_key: Path | None = Field(None, description="File of the key of the client's certificate.")
    tls: Tls = Field(
        Tls.AUTO,
        description="auto: verify for a remote host, optional on this machine; verify; required: encrypted, "
        "but the server is not verified; off.",
    )
    verify_identity: bool = Field(
        True, description="Whether the certificate must name the host (certificates of Cloud SQL's IP addresses don't)."
    )
    connect_timeout: int = Field(10, ge=1, le=3600, description="Time limit of an attempt to connect, in seconds.")
    patience: float = Field(120.0, ge=0, description="How long to wait for a server that was lost, in seconds.")

    @model_validator(mode="before")
    @classmethod
    def _split_url(cls, values: Any) -> Any:
        """Add the parts of the URL, unless they are set by themselves."""
        if not isinstance(values, Mapping) or not values.get("path"):
            return values
        others = {name: value for name, value in values.items() if name != "path"}
        parts = _parts_of_url(_text(values["path"]), cls)
        explicit = {cls._field_of(name) for name in others}
        return {**{name: value for name, value in parts.items() if name not in explicit}, **others}

    @classmethod
    def _field_of(cls, name: str) -> str:
        return {"user": "username", "passwd": "password", "db": "database"}.get(name, name)

    @property
    def is_local(self) -> bool:
        """Whether the connection stays on this machine."""
        if self.unix_socket is not None or self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def protection(self) -> Tls:
        """`tls`, where ``auto`` becomes ``verify`` for remote hosts and with certificates."""
        if self.tls is not Tls.AUTO:
            return self.tls
        has_certificates = self.ssl_ca is not None or self.ssl_cert is not None
        return Tls.VERIFY if has_certificates or not self.is_local else Tls.AUTO

    @property
    def location(self) -> str:
        """Where the database is, for people."""
        return f"{self.unix_socket or f'{self.host}:{self.port}'}/{self.database}"


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _parts_of_url(url: str, model: type[ServerSettings]) -> dict[str, Any]:
    """The parts of a URL by the names of settings."""
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        raise ValueError("the URL has an invalid host or port; write a / or @ in the password as %2F or %40") from None
    if not split.scheme or "://" not in url:
        raise ValueError("invalid URL; write it as scheme://user@host:port/database")
    parts = {
        "host": split.hostname,
        "port": port,
        "username": unquote(split.username) if split.username is not None else None,
        "password": SecretStr(unquote(split.password)) if split.password is not None else None,
        "database": unquote(split.path.strip("/")),
    }
    options = {name: value for name, value in parse_qsl(split.query) if name != "charset"}  # it is always utf8mb4
    if unknown := sorted(set(options) - set(model.model_fields)):
        known = ", ".join(sorted(set(model.model_fields) - {"path", *parts}))
        raise ValueError(f"the URL has an unknown option {unknown[0]!r}; known are: {known}")
    return {**{name: value for name, value in parts.items() if value}, **options}
