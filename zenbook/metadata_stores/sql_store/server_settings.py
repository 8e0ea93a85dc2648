"""What is said of a database server: where it is, who logs in, how the connection is protected."""

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
    """The settings that all database servers have. No error and no text of it shows what was given."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, hide_input_in_errors=True, frozen=True)

    path: str | None = Field(
        None, description="All in one URL: mysql://user:password@host:3306/database; its parts become settings."
    )
    host: str = Field("127.0.0.1", description="Name or address of the server, or of the proxy that leads to it.")
    port: int = Field(ge=1, le=65535, description="Port of the server.")
    username: str | None = Field(
        None, validation_alias=AliasChoices("username", "user"), description="Who logs in; by default you."
    )
    password: SecretStr | None = Field(
        None, validation_alias=AliasChoices("password", "passwd"), description="The user's password."
    )
    database: str = Field(
        "zenbook",
        min_length=1,
        max_length=63,
        validation_alias=AliasChoices("database", "db"),
        description="Database that holds zenbook's tables; it is made if it is missing and the user may make it.",
    )
    unix_socket: Path | None = Field(
        None, description="Socket of a server on this machine, or the folder of a Cloud SQL proxy's sockets."
    )
    ssl_ca: Path | None = Field(
        None, description="File of the authorities that vouch for the server; by default the system's."
    )
    ssl_cert: Path | None = Field(None, description="File of the client's own certificate.")
    ssl_key: Path | None = Field(None, description="File of the key of the client's certificate.")
    tls: Tls = Field(
        Tls.AUTO,
        description="auto: verified for a remote host, not asked for on this machine; verify; required: encrypted, "
        "but anybody may answer; off.",
    )
    verify_identity: bool = Field(
        True, description="Whether the certificate must name the host (those of Cloud SQL's addresses don't)."
    )
    connect_timeout: int = Field(10, ge=1, le=3600, description="Seconds after which an attempt to connect ends.")
    patience: float = Field(120.0, ge=0, description="Seconds for which a server that was lost is waited for.")

    @model_validator(mode="before")
    @classmethod
    def _split_url(cls, given: Any) -> Any:
        """The parts of the URL where they are not given by themselves."""
        if not isinstance(given, Mapping) or not given.get("path"):
            return given
        others = {name: value for name, value in given.items() if name != "path"}
        parts = _parts(_text(given["path"]), cls)
        named = {cls._field_of(name) for name in others}
        return {**{name: value for name, value in parts.items() if name not in named}, **others}

    @classmethod
    def _field_of(cls, name: str) -> str:
        return {"user": "username", "passwd": "password", "db": "database"}.get(name, name)

    @property
    def is_local(self) -> bool:
        """Whether what is sent stays on this machine."""
        if self.unix_socket is not None or self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def protection(self) -> Tls:
        """`tls` without ``auto``, which stays where nothing is asked for: certificates are there to be looked at."""
        if self.tls is not Tls.AUTO:
            return self.tls
        given = self.ssl_ca is not None or self.ssl_cert is not None
        return Tls.VERIFY if given or not self.is_local else Tls.AUTO

    @property
    def place(self) -> str:
        """Where the database is, for people."""
        return f"{self.unix_socket or f'{self.host}:{self.port}'}/{self.database}"


def _text(given: object) -> str:
    return given.get_secret_value() if isinstance(given, SecretStr) else str(given)


def _parts(url: str, model: type[ServerSettings]) -> dict[str, Any]:
    """What a URL says, by the names of settings."""
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError:
        raise ValueError("the URL's host or port can't be; a / or @ in the password is written %2F or %40") from None
    if not found.scheme or "://" not in url:
        raise ValueError("that is no URL; write it as scheme://user@host:port/database")
    said = {
        "host": found.hostname,
        "port": port,
        "username": unquote(found.username) if found.username is not None else None,
        "password": SecretStr(unquote(found.password)) if found.password is not None else None,
        "database": unquote(found.path.strip("/")),
    }
    options = {name: value for name, value in parse_qsl(found.query) if name != "charset"}  # it is always utf8mb4
    if unknown := sorted(set(options) - set(model.model_fields)):
        known = ", ".join(sorted(set(model.model_fields) - {"path", *said}))
        raise ValueError(f"the URL has an option {unknown[0]!r} that is none of: {known}")
    return {**{name: value for name, value in said.items() if value}, **options}
