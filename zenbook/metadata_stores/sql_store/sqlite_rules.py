"""What only SQLite needs: a folder, journal settings that fit the disk, and explanations of its errors."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from pathlib import Path

from zenbook.errors import StoreError

BUSY_SECONDS = 30.0  # how long a writer waits for the others
MOUNTS = Path("/proc/self/mounts")
_SHARED = re.compile(
    r"nfs\d*|cifs|smb\d*|smbfs|ncpfs|afs|9p|virtiofs|vboxsf|prl_fs|vmhgfs|drvfs|ceph|lustre|glusterfs|beegfs|gpfs|ocfs2"
    r"|gfs2|davfs|fuse\.(?!fuse-overlayfs|overlayfs|lxcfs|ntfs|exfat|ext).*"
)


def connect(path: Path, *, shared: bool) -> sqlite3.Connection:
    """Connect to a SQLite file, for one thread at a time.

    The connection commits each statement, since the store executes BEGIN IMMEDIATE itself: a transaction that starts
    as a reader and becomes a writer gets 'database is locked' at once, however long the timeout is.

    Args:
        path: Of the file, which is created if it is missing.
        shared: Whether the file is on a network disk.

    Returns:
        The connection.
    """
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _set_journal(connection, shared=shared)
    except BaseException:
        connection.close()
        raise
    return connection


def file_of(place: str | Path) -> Path:
    """The absolute path of a database file.

    Args:
        place: A path, or a URL like ``sqlite:////path/metadata.db``.

    Returns:
        The path; the file need not exist.

    Raises:
        StoreError: For a database in memory, and for one that isn't SQLite's.
    """
    if isinstance(place, Path):
        return place.absolute()
    scheme, _, rest = place.partition("://")
    backend = scheme.partition("+")[0]
    if backend != "sqlite":
        raise StoreError(
            f"A URL of {backend!r} is not the URL of a SQLite file.",
            f"Register a metadata store of flavour {backend}, or use a file: sqlite:////path/metadata.db.",
        )
    name = rest.removeprefix("/")
    if not name or name.startswith((":memory:", "file:")) or "?" in name:
        raise StoreError(
            "A metadata store in SQLite needs a file: a database in memory is lost with its connection.",
            "Give a path, without options: sqlite:////home/me/project/.zen/metadata.db.",
        )
    return Path(name).absolute()


def is_shared_disk(folder: Path) -> bool:
    """Whether a folder is on a network file system, where a write-ahead log corrupts the database.

    The log's index is a memory map that all writers must share (https://sqlite.org/wal.html), and two machines don't.

    Args:
        folder: Any folder.

    Returns:
        False also on systems without ``/proc``.
    """
    try:
        mounts = MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return False
    real = os.path.realpath(folder)
    longest, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1])
        below = real == point or real.startswith(point.rstrip("/") + "/")
        if below and len(point) >= len(longest):  # a later mount on the same point hides the earlier one
            longest, kind = point, fields[2]
    return _SHARED.fullmatch(kind) is not None


def make_folder(path: Path) -> None:
    """Create the folder of a database file.

    Args:
        path: Of the file.

    Raises:
        StoreError: If the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"Could not create the folder {str(path.parent)!r} of the metadata store: {error.strerror}.",
            "Choose a writable place: zen init --path DIR.",
        ) from error


def _set_journal(connection: sqlite3.Connection, *, shared: bool) -> None:
    """WAL commits in 20 µs and lets readers in; the rollback journal is what a network disk can do safely."""
    journal_mode, synchronous = ("delete", "FULL") if shared else ("wal", "NORMAL")
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != journal_mode:
        try:
            connection.execute(f"PRAGMA journal_mode={journal_mode}")
        except sqlite3.OperationalError as error:
            # When two processes convert a new file at once, SQLite refuses one without waiting (1 opening in 100).
            if _name_of(error) != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
    connection.execute(f"PRAGMA synchronous={synchronous}")


_ELSEWHERE = "or choose another place: zen init --path DIR."
_ERRORS = (  # prefixes of SQLite's names of errors, with templates of message and hint
    (
        ("SQLITE_READONLY",),
        "{store} could not be written: the file or its folder is read-only.",
        f"Make them writable, {_ELSEWHERE}",
    ),
    (
        ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"),
        "{store} could not be opened: {obstacle}.",
        f"Make it readable and writable, {_ELSEWHERE}",
    ),
    (
        ("SQLITE_FULL",),
        "{store} could not be written: the disk is full.",
        f"Free some space (`df -h {{path.parent}}`), {_ELSEWHERE}",
    ),
    (
        ("SQLITE_NOTADB", "SQLITE_CORRUPT"),
        "{store} is damaged, or it is not a SQLite database.",
        (
            "Move it away (`mv {path} {path}.broken`), and zenbook starts a new one; "
            "`sqlite3 {path}.broken .recover` shows what can be saved."
        ),
    ),
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        "{store} was locked by another program for more than {seconds:g} s.",
        "`fuser -v {path}` shows which one. Stop it or let it finish, and try again.",
    ),
    (
        ("SQLITE_IOERR",),
        "{store} could not be read or written: the disk reports an error ({name}).",
        f"Check whether the disk is full or a quota is used up (`df -h {{path.parent}}`), {_ELSEWHERE}",
    ),
)


def to_store_error(error: BaseException, path: Path) -> StoreError | None:
    """Say what a SQLite error means, and what to do.

    Args:
        error: What Python's sqlite3 raised.
        path: Of the database file.

    Returns:
        The error to raise, or None if the user can't fix it.
    """
    name = _name_of(error)
    for prefixes, message, hint in _ERRORS:
        if name.startswith(prefixes):
            store = f"The metadata store {str(path)!r}"
            obstacle = _obstacle(path) if "{obstacle}" in message else ""
            text = message.format(store=store, obstacle=obstacle, seconds=BUSY_SECONDS, name=name)
            return StoreError(text, hint.format(path=path))
    return None


def _name_of(error: BaseException) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _obstacle(path: Path) -> str:
    if path.is_dir():
        return "the path is a folder"
    if not path.parent.is_dir():
        return "its folder does not exist"
    if not os.access(path.parent, os.W_OK):  # also false on a read-only disk
        return "its folder is read-only"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return "you do not have permission to read and write the file"
    return "the file system refuses"
