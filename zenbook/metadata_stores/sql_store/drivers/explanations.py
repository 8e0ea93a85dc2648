"""Texts of errors that all database servers have: what is wrong, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zenbook.errors import StoreError, StoreUnreachableError

if TYPE_CHECKING:
    from zenbook.metadata_stores.sql_store.server_settings import ServerSettings


@dataclass(frozen=True, slots=True)
class Explanation:
    """Templates of a message and a hint.

    They may contain ``{store}``, ``{reason}``, ``{user}``, ``{database}``, ``{host}`` and ``{socket}``.
    """

    message: str
    hint: str
    error_class: type[StoreError] = StoreError

    def to_error(self, store: str, settings: ServerSettings, reason: str = "") -> StoreError:
        """Fill in the templates.

        Args:
            store: The store's name in a sentence.
            settings: Of the store.
            reason: What the server or the library says.

        Returns:
            The error to raise.
        """
        values = {
            "store": store,
            "reason": reason,
            "user": settings.username,
            "database": settings.database,
            "host": settings.host,
            "socket": str(settings.unix_socket),
        }
        return self.error_class(self.message.format(**values), self.hint.format(**values))


UNKNOWN_HOST = Explanation(
    "{store} could not be reached: the host {host!r} is unknown.",
    "Correct its host, or your network's DNS.",
    StoreUnreachableError,
)
TOO_MANY_CONNECTIONS = Explanation(
    "{store} has too many connections.",
    "Close some clients, or raise max_connections on the server.",
    StoreUnreachableError,
)
UNREACHABLE = Explanation(
    "{store} could not be reached: {reason}.",
    "Check that the server is running, and that host, port and firewall are right.",
    StoreUnreachableError,
)
CONNECTION_LOST = Explanation("{store} was lost: {reason}.", "Check that the server is running.", StoreUnreachableError)
READ_ONLY = Explanation("{store} is read-only.", "Connect to the primary server.", StoreUnreachableError)
DISK_FULL = Explanation(
    "{store} could not be written: the server's disk is full.", "Free some space there.", StoreUnreachableError
)
NO_TLS = Explanation(
    "{store} offers no encrypted connection, but the settings require one.",
    "Set up TLS on the server; or, where nobody else can listen, use `--tls off`.",
)
CERTIFICATE_OF_OTHER_HOST = Explanation(
    "{store} could not be verified: its certificate is for another host than {host!r}.",
    "Connect by the name in the certificate, or use `--no-verify-identity` if it names none.",
)
MISSING_CERTIFICATE_FILE = Explanation(
    "{store} could not be reached: the file {reason!r} does not exist.", "Correct ssl_ca, ssl_cert and ssl_key."
)
NAME_TOO_LONG = Explanation("{store} can't store a name that long: {reason}.", "Choose a shorter one.")
CONFLICT = Explanation("{store} was kept busy by other writers: {reason}.", "Try again.")
REFUSED = Explanation("{store} refused the statement: {reason}.", "Run `zen doctor` to check the store.")
