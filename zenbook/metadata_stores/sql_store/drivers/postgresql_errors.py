"""What PostgreSQL's errors mean for the user, and what can be done about them.

An error while connecting has no state: libpq gives only its text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zenbook.errors import StoreError, StoreUnreachableError
from zenbook.metadata_stores.sql_store.drivers.driver import ErrorClass

if TYPE_CHECKING:
    from zenbook.metadata_stores.sql_store.server_settings import ServerSettings

# States: https://www.postgresql.org/docs/current/errcodes-appendix.html
LOST = ("08", "57P", "53300")
CONFLICTS = ("40001", "40P01", "55P03")  # serialization, deadlock, lock not available
NO_TABLE = "42P01"
_ABSENT = ("could not translate host name", "failed to resolve host", "name or service not known")
_FOREVER = (
    "authentication failed",
    "no password supplied",
    "fe_sendauth",
    "does not exist",
    "no pg_hba.conf entry",
    "does not support ssl",
    "ssl error",
    "certificate",
    "permission denied for database",
    "is not permitted to log in",
)


def _state(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _text(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"^.*FATAL:\s*", "", lines[0] if lines else type(error).__name__).rstrip(".")


def is_missing_database(error: BaseException) -> bool:
    """Whether the server is there and the database isn't."""
    return bool(re.search(r'FATAL:\s+database ".*" does not exist', str(error))) or _state(error) == "3D000"


def trouble(error: BaseException) -> ErrorClass:
    """What can be done about an error."""
    from psycopg import InterfaceError, OperationalError

    state, text = _state(error), str(error).lower()
    if state in CONFLICTS:
        return ErrorClass.CONFLICT
    if state == NO_TABLE:
        return ErrorClass.MISSING_TABLES
    if state:
        return ErrorClass.LOST if state.startswith(LOST) else ErrorClass.OTHER
    if not isinstance(error, OperationalError | InterfaceError):
        return ErrorClass.OTHER
    if any(one in text for one in _ABSENT):
        return ErrorClass.ABSENT
    if "no such file or directory" not in text and any(one in text for one in _FOREVER):
        return ErrorClass.OTHER
    return ErrorClass.LOST


def told(error: BaseException, store: str, settings: ServerSettings) -> StoreError:
    """An error in plain words."""
    state, text = _state(error), str(error).lower()
    kind = trouble(error)
    if kind is ErrorClass.ABSENT:
        return StoreUnreachableError(
            f"{store} can't be reached: there is no host of the name {settings.host!r}.",
            "Mend its host, or your network's DNS.",
        )
    if state == "53300" or "too many clients" in text or "too many connections" in text:
        return StoreUnreachableError(
            f"{store} has too many connections.", "Let some clients end, or raise max_connections on the server."
        )
    if kind is ErrorClass.LOST:
        if "connection refused" in text or "no such file" in text:
            why = "refused" if "refused" in text else f"there is no socket in {str(settings.unix_socket)!r}"
            return StoreUnreachableError(
                f"{store} can't be reached: {why}.", "Is the server running, and are host, port and firewall right?"
            )
        return StoreUnreachableError(f"{store} was lost: {_text(error)}.", "Is the server running?")
    if state == "25006":
        return StoreUnreachableError(f"{store} is read-only.", "Connect to the primary server.")
    if state in ("53100", "58030"):
        return StoreUnreachableError(f"{store} can't be written: the server's disk is full.", "Free some space there.")
    if not state and (found := _refused_connection(text, error, store, settings)) is not None:
        return found
    if state == "42501":
        return StoreError(
            f"{store} denies {settings.username!r} a right: {_text(error)}.",
            f'Let an administrator run: GRANT ALL ON DATABASE "{settings.database}" TO "{settings.username}"; in it, '
            f'GRANT ALL ON SCHEMA public TO "{settings.username}";',
        )
    if state == "22001":
        return StoreError(f"{store} can't hold a name that long: {_text(error)}.", "Choose a shorter one.")
    if kind is ErrorClass.CONFLICT:
        return StoreError(f"{store} was kept busy by other writers: {_text(error)}.", "Try again.")
    return StoreError(f"{store} refused: {_text(error)}.", "`zen doctor` looks at the store.")


def _refused_connection(text: str, error: BaseException, store: str, settings: ServerSettings) -> StoreError | None:
    if "does not support ssl" in text:
        return StoreError(
            f"{store} offers no encrypted connection, which is asked for.",
            "Set up TLS on the server; or, where nobody else can listen, `--tls off`.",
        )
    if "server certificate for" in text and "does not match" in text:
        return StoreError(
            f"{store} can't be trusted: its certificate is for another host than {settings.host!r}.",
            "Connect by the name in the certificate, or say `--no-verify-identity` where it names none.",
        )
    if "certificate verify failed" in text:
        return StoreError(
            f"{store} can't be trusted: its certificate can't be verified.",
            "Name the file of the authority that signed it: --ssl-ca FILE.",
        )
    if "requires a valid client certificate" in text:
        return StoreError(
            f"{store} wants a certificate of {settings.username!r}.", "Name it and its key: --ssl-cert, --ssl-key."
        )
    if "authentication failed" in text or "no password supplied" in text or "fe_sendauth" in text:
        return StoreError(f"{store} refuses the user {settings.username!r}.", "Mend username and password.")
    if "no pg_hba.conf entry" in text or "not permitted to log in" in text:
        return StoreError(
            f"{store} lets {settings.username!r} not in from here: {_text(error)}.",
            "An administrator adds a line to pg_hba.conf; some servers want TLS (`--tls required`) or a certificate.",
        )
    if "does not exist" in text:
        return StoreError(f"{store}: {_text(error)}.", "Mend username and database.")
    return None


def no_database(store: str, settings: ServerSettings) -> StoreError:
    """A database that is missing and can't be made."""
    return StoreError(
        f"{store}: there is no database {settings.database!r}, and {settings.username!r} may not make it.",
        f'Let an administrator run: CREATE DATABASE "{settings.database}" OWNER "{settings.username}" '
        "TEMPLATE template0 ENCODING 'UTF8';",
    )
