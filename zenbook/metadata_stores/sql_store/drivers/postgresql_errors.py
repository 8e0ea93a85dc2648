"""What PostgreSQL's errors mean for the user, and what can be done about them.

An error while connecting has no state: libpq gives only its text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zenbook.metadata_stores.sql_store.drivers.driver import ErrorClass
from zenbook.metadata_stores.sql_store.drivers.explanations import (
    CERTIFICATE_OF_OTHER_HOST,
    CONFLICT,
    CONNECTION_LOST,
    DISK_FULL,
    NAME_TOO_LONG,
    NO_TLS,
    READ_ONLY,
    REFUSED,
    TOO_MANY_CONNECTIONS,
    UNKNOWN_HOST,
    UNREACHABLE,
    Explanation,
)

if TYPE_CHECKING:
    from zenbook.errors import StoreError
    from zenbook.metadata_stores.sql_store.server_settings import ServerSettings

# States: https://www.postgresql.org/docs/current/errcodes-appendix.html
LOST = ("08", "57P", "53300")
CONFLICTS = ("40001", "40P01", "55P03")  # serialization, deadlock, lock not available
NO_TABLE = "42P01"
_UNKNOWN_HOST = ("could not translate host name", "failed to resolve host", "name or service not known")
_PERMANENT = (
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
_BY_STATE = {
    "25006": READ_ONLY,
    "53100": DISK_FULL,
    "58030": DISK_FULL,
    "42501": Explanation(
        "{store} denies {user!r} a right: {reason}.",
        'Let an administrator run: GRANT ALL ON DATABASE "{database}" TO "{user}"; in it, '
        'GRANT ALL ON SCHEMA public TO "{user}";',
    ),
    "22001": NAME_TOO_LONG,
    **dict.fromkeys(CONFLICTS, CONFLICT),
}
_BY_TEXT = (  # of an error while connecting, in lower case
    (r"does not support ssl", NO_TLS),
    (r"server certificate for.*does not match", CERTIFICATE_OF_OTHER_HOST),
    (
        r"certificate verify failed",
        Explanation(
            "{store} could not be verified: the signature of its certificate is not trusted.",
            "Set the file of the CA that signed it: --ssl-ca FILE.",
        ),
    ),
    (
        r"requires a valid client certificate",
        Explanation("{store} requires a certificate of {user!r}.", "Set it and its key: --ssl-cert, --ssl-key."),
    ),
    (
        r"authentication failed|no password supplied|fe_sendauth",
        Explanation("{store} refuses the user {user!r}.", "Correct username and password."),
    ),
    (
        r"no pg_hba\.conf entry|not permitted to log in",
        Explanation(
            "{store} doesn't let {user!r} log in from here: {reason}.",
            "Let an administrator add a line to pg_hba.conf. Some servers need TLS (`--tls required`) or a "
            "certificate.",
        ),
    ),
    (r"does not exist", Explanation("{store}: {reason}.", "Correct username and database.")),
)
_NO_DATABASE = Explanation(
    "{store}: the database {database!r} does not exist, and {user!r} may not create it.",
    'Let an administrator run: CREATE DATABASE "{database}" OWNER "{user}" TEMPLATE template0 ENCODING \'UTF8\';',
)


def is_missing_database(error: BaseException) -> bool:
    """Whether the server answered that it has no such database.

    Args:
        error: What psycopg raised.

    Returns:
        False for any other error.
    """
    return bool(re.search(r'FATAL:\s+database ".*" does not exist', str(error))) or _state(error) == "3D000"


def classify(error: BaseException) -> ErrorClass:
    """What can be done about an error.

    Args:
        error: What psycopg raised.

    Returns:
        Its class.
    """
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
    if any(pattern in text for pattern in _UNKNOWN_HOST):
        return ErrorClass.UNKNOWN_HOST
    if "no such file or directory" not in text and any(pattern in text for pattern in _PERMANENT):
        return ErrorClass.OTHER
    return ErrorClass.LOST


def to_store_error(error: BaseException, store: str, settings: ServerSettings) -> StoreError:
    """Say what an error means, and what to do.

    Args:
        error: What psycopg raised.
        store: The store's name in a sentence.
        settings: Of the store.

    Returns:
        The error to raise.
    """
    state, text, error_class = _state(error), str(error).lower(), classify(error)
    reason = _text(error)
    if error_class is ErrorClass.UNKNOWN_HOST:
        explanation = UNKNOWN_HOST
    elif state == "53300" or "too many clients" in text or "too many connections" in text:
        explanation = TOO_MANY_CONNECTIONS
    elif error_class is ErrorClass.LOST:
        explanation, reason = _explain_absence(text, reason, settings)
    else:
        by_text = None if state else _find_by_text(text)
        explanation = by_text or _BY_STATE.get(state, REFUSED)
    return explanation.to_error(store, settings, reason)


def _explain_absence(text: str, reason: str, settings: ServerSettings) -> tuple[Explanation, str]:
    """The server does not answer, or no longer."""
    if "refused" in text and ("connection refused" in text or "no such file" in text):
        return UNREACHABLE, "connection refused"
    if "no such file" in text:
        return UNREACHABLE, f"the socket in {str(settings.unix_socket)!r} does not exist"
    return CONNECTION_LOST, reason


def _find_by_text(text: str) -> Explanation | None:
    return next((explanation for pattern, explanation in _BY_TEXT if re.search(pattern, text, re.DOTALL)), None)


def no_database(store: str, settings: ServerSettings) -> StoreError:
    """A database that is missing and that the user can't create.

    Args:
        store: The store's name in a sentence.
        settings: Of the store.

    Returns:
        The error to raise.
    """
    return _NO_DATABASE.to_error(store, settings)


def _state(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _text(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"^.*FATAL:\s*", "", lines[0] if lines else type(error).__name__).rstrip(".")
