"""What the errors of MySQL and MariaDB mean for the user, and what can be done about them."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from zenbook.errors import StoreError, StoreUnreachableError
from zenbook.metadata_stores.sql_store.drivers.driver import ErrorClass
from zenbook.metadata_stores.sql_store.drivers.explanations import (
    CERTIFICATE_OF_OTHER_HOST,
    CONFLICT,
    CONNECTION_LOST,
    DISK_FULL,
    MISSING_CERTIFICATE_FILE,
    NAME_TOO_LONG,
    NO_TLS,
    REFUSED,
    TOO_MANY_CONNECTIONS,
    UNKNOWN_HOST,
    UNREACHABLE,
    Explanation,
)

if TYPE_CHECKING:
    from zenbook.metadata_stores.sql_store.server_settings import ServerSettings

# Numbers: https://mariadb.com/kb/en/mariadb-error-codes/, https://dev.mysql.com/doc/mysql-errors/8.0/en/
CANNOT_CONNECT = (2002, 2003)
CONNECTION_LIMITS = (1040, 1203, 1226)  # of the server, of this user, of a resource
LOST = {
    0,  # PyMySQL's own, for a connection that is closed
    *CONNECTION_LIMITS,
    1053,  # server shutdown in progress
    1077,
    1078,
    1079,
    1152,  # aborted connection
    *range(1158, 1162),  # broken packets
    1927,  # connection was killed
    *CANNOT_CONNECT,
    2006,  # server has gone away
    2013,  # lost connection
    2014,
    2055,
    4031,  # disconnected for inactivity
}
CONFLICTS = (1205, 1213, 1020, 1412)  # lock wait, deadlock, changed since read, table definition changed
NO_TABLE = 1146
FILE_ERRORS = (1030, 1026)  # whose text has the system's number

_GRANT = "GRANT ALL ON `{database}`.* TO '{user}'@'%';"
_READ_ONLY = Explanation(
    "{store} is read-only.",
    "Connect to the primary server, or let an administrator run: SET GLOBAL read_only=0;",
    StoreUnreachableError,
)
_STATEMENT_TOO_LONG = Explanation(
    "{store} doesn't accept a statement as long as this one.",
    "Let an administrator run: SET GLOBAL max_allowed_packet=1073741824;",
)
_USER_REFUSED = Explanation(
    "{store} refuses the user {user!r}: {reason}.",
    "Correct username and password. A user who must use TLS or a certificate is also refused without it.",
)
_NO_DATABASE = Explanation(
    "{store} has no database {database!r} that {user!r} may use or create.",
    f"Let an administrator run: CREATE DATABASE `{{database}}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; {_GRANT}",
)
_RIGHT_DENIED = Explanation("{store} denies {user!r} a right: {reason}.", f"Let an administrator run: {_GRANT}")
_NO_SOCKET = Explanation(
    "{store} could not be reached: the socket {socket!r} does not exist.",
    "Check that the server, or the Cloud SQL proxy, is running.",
    StoreUnreachableError,
)
_NO_INSTANCE = Explanation(
    "{store} could not be reached: {reason}.",
    "Log in: gcloud auth application-default login. You need the role Cloud SQL Client, and the instance must run.",
    StoreUnreachableError,
)
_UNTRUSTED = Explanation(
    "{store} could not be verified: {reason}.", "Set the file of the CA that signed its certificate: --ssl-ca FILE."
)
_TLS_FAILED = Explanation(
    "{store} could not be reached over TLS: {reason}.",
    "Check that the host is right, and whether the server requires a client certificate (--ssl-cert, --ssl-key).",
)
_BY_NUMBER: dict[int, Explanation] = {
    **dict.fromkeys((1290, 1836, 1792), _READ_ONLY),
    **dict.fromkeys((1021, 1114, 3, 28), DISK_FULL),
    1153: _STATEMENT_TOO_LONG,
    1406: NAME_TOO_LONG,
    **dict.fromkeys(CONFLICTS, CONFLICT),
    2026: NO_TLS,
    **dict.fromkeys((1045, 1698, 1251, 2059), _USER_REFUSED),
    **dict.fromkeys((1044, 1049), _NO_DATABASE),
    **dict.fromkeys((1142, 1143, 1227, 1370), _RIGHT_DENIED),
}


def number_of(error: BaseException) -> int:
    """The number of an error.

    Args:
        error: What PyMySQL raised.

    Returns:
        The number; -1 if it has none.
    """
    first = error.args[0] if error.args else -1
    return first if isinstance(first, int) else -1


def classify(error: BaseException) -> ErrorClass:
    """What can be done about an error.

    Args:
        error: What PyMySQL raised.

    Returns:
        Its class.
    """
    number, cause = number_of(error), _cause(error)
    if number in CONFLICTS:
        return ErrorClass.CONFLICT
    if number == NO_TABLE:
        return ErrorClass.MISSING_TABLES
    if number in CANNOT_CONNECT and isinstance(cause, socket.gaierror):
        return ErrorClass.UNKNOWN_HOST
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ErrorClass.OTHER
    return ErrorClass.LOST if number in LOST else ErrorClass.OTHER


def to_store_error(error: BaseException, store: str, settings: ServerSettings) -> StoreError:
    """Say what an error means, and what to do.

    Args:
        error: What PyMySQL raised.
        store: The store's name in a sentence.
        settings: Of the store.

    Returns:
        The error to raise.
    """
    number, cause = number_of(error), _cause(error)
    if isinstance(cause, ssl.SSLError):
        explanation, reason = _explain_tls(cause)
    elif classify(error) in (ErrorClass.LOST, ErrorClass.UNKNOWN_HOST):
        explanation, reason = _explain_absence(error, settings)
    elif number in FILE_ERRORS and "28" in _text(error):  # ENOSPC
        explanation, reason = DISK_FULL, ""
    else:
        explanation, reason = _BY_NUMBER.get(number, REFUSED), _text(error)
    return explanation.to_error(store, settings, reason)


def _explain_absence(error: BaseException, settings: ServerSettings) -> tuple[Explanation, str]:
    """The server does not answer, or no longer."""
    number, cause = number_of(error), _cause(error)
    if number in CONNECTION_LIMITS:
        return TOO_MANY_CONNECTIONS, ""
    if number not in CANNOT_CONNECT:
        return CONNECTION_LOST, _text(error)
    if isinstance(cause, socket.gaierror):
        return UNKNOWN_HOST, ""
    if isinstance(cause, FileNotFoundError):
        return _NO_SOCKET, ""
    if getattr(settings, "instance_connection_name", None) is not None and settings.unix_socket is None:
        return _NO_INSTANCE, str(error.args[-1]).splitlines()[0].rstrip(".")
    refused = isinstance(cause, ConnectionRefusedError)
    return UNREACHABLE, "connection refused" if refused else str(cause or error.args[-1])


def _explain_tls(cause: ssl.SSLError) -> tuple[Explanation, str]:
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return _TLS_FAILED, str(cause.reason or cause)
    if cause.verify_code in (62, 64):  # host name or address mismatch
        return CERTIFICATE_OF_OTHER_HOST, ""
    return _UNTRUSTED, cause.verify_message


def unreadable_certificates(store: str, settings: ServerSettings, error: Exception) -> StoreError:
    """A certificate file that is missing or has no certificate.

    Args:
        store: The store's name in a sentence.
        settings: Of the store.
        error: What Python's ssl raised.

    Returns:
        The error to raise.
    """
    for path in (settings.ssl_ca, settings.ssl_cert, settings.ssl_key):
        if path is not None and not path.is_file():
            return MISSING_CERTIFICATE_FILE.to_error(store, settings, str(path))
    return StoreError(
        f"{store} could not be reached: the certificate files could not be read ({error}).",
        "They must be PEM files, and ssl_key must belong to ssl_cert.",
    )


def too_old(store: str, version: str) -> StoreError:
    """A server without what the tables need.

    Args:
        store: The store's name in a sentence.
        version: Kind and version of the server.

    Returns:
        The error to raise.
    """
    return StoreError(f"{store} is too old: {version}.", "zenbook needs MySQL 5.6 or MariaDB 10, or newer.")


def too_large(store: str, size: int, limit: int) -> StoreError:
    """A statement that is too long and has only one row.

    Args:
        store: The store's name in a sentence.
        size: Of the statement, in bytes.
        limit: Of the server, in bytes.

    Returns:
        The error to raise.
    """
    return StoreError(
        f"{store} accepts {limit / 1e6:.1f} MB at once, but one row has {size / 1e6:.1f} MB.",
        "Let an administrator run: SET GLOBAL max_allowed_packet=1073741824; or log and pass less.",
    )


def _cause(error: BaseException) -> BaseException | None:
    cause: Any = getattr(error, "original_exception", None) or error.__cause__
    return cause if isinstance(cause, BaseException) else None


def _text(error: BaseException) -> str:
    return str(error.args[-1]).rstrip(".") if error.args else type(error).__name__
