"""What the errors of MySQL and MariaDB mean for the user, and what can be done about them."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from zenbook.errors import StoreError, StoreUnreachableError
from zenbook.metadata_stores.sql_store.drivers.driver import ErrorClass

if TYPE_CHECKING:
    from zenbook.metadata_stores.sql_store.server_settings import ServerSettings

# Numbers: https://mariadb.com/kb/en/mariadb-error-codes/, https://dev.mysql.com/doc/mysql-errors/8.0/en/
CONNECT = (2002, 2003)
LOST = {
    0,  # PyMySQL's own, for a connection that is closed
    1040,  # too many connections
    1053,  # server shutdown in progress
    1077,
    1078,
    1079,
    1152,  # aborted connection
    *range(1158, 1162),  # broken packets
    1203,  # too many connections of this user
    1226,
    1927,  # connection was killed
    2002,
    2003,
    2006,  # server has gone away
    2013,  # lost connection
    2014,
    2055,
    4031,  # disconnected for inactivity
}
CONFLICTS = {1205, 1213, 1020, 1412}  # lock wait, deadlock, changed since read, table definition changed
NO_TABLE = 1146
_FULL = {1021, 1114, 3, 28}


def number(error: BaseException) -> int:
    """The error's number; -1 for what has none."""
    first = error.args[0] if error.args else -1
    return first if isinstance(first, int) else -1


def _cause(error: BaseException) -> BaseException | None:
    found: Any = getattr(error, "original_exception", None) or error.__cause__
    return found if isinstance(found, BaseException) else None


def trouble(error: BaseException) -> ErrorClass:
    """What can be done about an error."""
    code, cause = number(error), _cause(error)
    if code in CONFLICTS:
        return ErrorClass.CONFLICT
    if code == NO_TABLE:
        return ErrorClass.MISSING_TABLES
    if code in CONNECT and isinstance(cause, socket.gaierror):
        return ErrorClass.ABSENT
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ErrorClass.OTHER
    return ErrorClass.LOST if code in LOST else ErrorClass.OTHER


def told(error: BaseException, store: str, settings: ServerSettings) -> StoreError:
    """An error in plain words."""
    code, cause = number(error), _cause(error)
    if isinstance(cause, ssl.SSLError):
        return _tls(store, settings, cause)
    if trouble(error) in (ErrorClass.LOST, ErrorClass.ABSENT):
        return _away(error, store, settings)
    if code in (1290, 1836, 1792):
        return StoreUnreachableError(
            f"{store} is read-only.", "Connect to the primary server, or let an administrator SET GLOBAL read_only=0;"
        )
    if code in _FULL or (code in (1030, 1026) and "28" in _text(error)):
        return StoreUnreachableError(f"{store} can't be written: the server's disk is full.", "Free some space there.")
    if code == 1153:
        return StoreError(
            f"{store} takes no statement as long as this one.",
            "Let an administrator run: SET GLOBAL max_allowed_packet=1073741824;",
        )
    if code == 1406:
        return StoreError(f"{store} can't hold a name that long: {_text(error)}.", "Choose a shorter one.")
    if code in CONFLICTS:
        return StoreError(f"{store} was kept busy by other writers: {_text(error)}.", "Try again.")
    return _refused(error, store, settings) or StoreError(
        f"{store} refused: {_text(error)}.", "`zen doctor` looks at the store."
    )


def _away(error: BaseException, store: str, settings: ServerSettings) -> StoreUnreachableError:
    """Nobody answers, or not any more."""
    code, cause = number(error), _cause(error)
    if code in (1040, 1203, 1226):
        return StoreUnreachableError(
            f"{store} has too many connections.", "Let some clients end, or raise max_connections on the server."
        )
    if code not in CONNECT:
        return StoreUnreachableError(f"{store} was lost: {_text(error)}.", "Is the server running?")
    if isinstance(cause, socket.gaierror):
        return StoreUnreachableError(
            f"{store} can't be reached: there is no host of the name {settings.host!r}.",
            "Mend its host, or your network's DNS.",
        )
    if isinstance(cause, FileNotFoundError):
        return StoreUnreachableError(
            f"{store} can't be reached: there is no socket {str(settings.unix_socket)!r}.",
            "Is the server, or the Cloud SQL proxy, running?",
        )
    if getattr(settings, "instance_connection_name", None) is not None and settings.unix_socket is None:
        return StoreUnreachableError(
            f"{store} can't be reached: {str(error.args[-1]).splitlines()[0].rstrip('.')}.",
            "Log in: gcloud auth application-default login. You need the role Cloud SQL Client; the instance must run.",
        )
    why = "refused" if isinstance(cause, ConnectionRefusedError) else str(cause or error.args[-1])
    return StoreUnreachableError(
        f"{store} can't be reached: {why}.", "Is the server running, and are host, port and firewall right?"
    )


def _refused(error: BaseException, store: str, settings: ServerSettings) -> StoreError | None:
    """The user may not do that, or not in that way."""
    code, user, database = number(error), settings.username, settings.database
    grant = f"GRANT ALL ON `{database}`.* TO '{user}'@'%';"
    if code == 2026:
        return StoreError(
            f"{store} offers no encrypted connection, which is asked for.",
            "Set up TLS on the server; or, where nobody else can listen, `--tls off`.",
        )
    if code in (1045, 1698, 1251, 2059):
        return StoreError(
            f"{store} refuses the user {user!r}: {_text(error)}.",
            "Mend username and password; a user who must use TLS or a certificate is refused without, too.",
        )
    if code in (1044, 1049):
        return StoreError(
            f"{store} has no database {database!r} that {user!r} may use or make.",
            f"An administrator may: CREATE DATABASE `{database}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; {grant}",
        )
    if code in (1142, 1143, 1227, 1370):
        return StoreError(f"{store} denies {user!r} a right: {_text(error)}.", f"Let an administrator run: {grant}")
    return None


def _tls(store: str, settings: ServerSettings, cause: ssl.SSLError) -> StoreError:
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code in (62, 64):  # host name or address mismatch
            return StoreError(
                f"{store} can't be trusted: its certificate is for another host than {settings.host!r}.",
                "Connect by the name in the certificate, or say `--no-verify-identity` where it names none.",
            )
        return StoreError(
            f"{store} can't be trusted: {cause.verify_message}.",
            "Name the file of the authority that signed its certificate: --ssl-ca FILE.",
        )
    return StoreError(
        f"{store} can't be reached over TLS: {cause.reason or cause}.",
        "Does the server want a client's certificate (--ssl-cert, --ssl-key), and is it the server that you mean?",
    )


def unreadable_certificates(store: str, settings: ServerSettings, error: Exception) -> StoreError:
    """A file of certificates that is missing or holds none."""
    for path in (settings.ssl_ca, settings.ssl_cert, settings.ssl_key):
        if path is not None and not path.is_file():
            return StoreError(
                f"{store} can't be reached: there is no file {str(path)!r}.", "Mend ssl_ca, ssl_cert, ssl_key."
            )
    return StoreError(
        f"{store} can't be reached: the files of certificates can't be read ({error}).",
        "They must be PEM files, and ssl_key that of ssl_cert.",
    )


def too_old(store: str, version: str) -> StoreError:
    """A server without what the tables need."""
    return StoreError(f"{store} is too old: {version}.", "zenbook needs MySQL 5.6 or MariaDB 10, or newer.")


def too_large(store: str, size: int, most: int) -> StoreError:
    """A statement that can't be split."""
    return StoreError(
        f"{store} takes {most / 1e6:.1f} MB at once, and one row has {size / 1e6:.1f} MB.",
        "Let an administrator run: SET GLOBAL max_allowed_packet=1073741824; or log and pass less.",
    )


def _text(error: BaseException) -> str:
    return str(error.args[-1]).rstrip(".") if error.args else type(error).__name__
