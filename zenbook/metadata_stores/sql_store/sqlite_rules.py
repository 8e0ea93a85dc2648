"""What SQLite alone needs: a folder, journal settings that fit the disk, and its errors in plain words."""

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
    """A connection to a SQLite file, for one thread at a time; ``shared`` says that the file is on a shared disk.

    It commits each statement, since the store says BEGIN IMMEDIATE itself: a transaction that starts as a reader and
    becomes a writer gets 'database is locked' at once, however long the timeout.
    """
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _set_journal(connection, shared=shared)
    except BaseException:
        connection.close()
        raise
    return connection


def file_of(place: str | Path) -> Path:
    """The absolute path of the database file that a path or a URL names.

    Raises `StoreError` for a database in memory and for one that isn't SQLite's.
    """
    if isinstance(place, Path):
        return place.absolute()
    scheme, _, rest = place.partition("://")
    backend = scheme.partition("+")[0]
    if backend != "sqlite":
        raise StoreError(
            f"A URL of {backend!r} names no SQLite file.",
            f"Register one of flavour {backend}, or use a file: sqlite:////path/metadata.db.",
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
    Without ``/proc`` the disk is taken for a local one.
    """
    try:
        mounts = MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return False
    real = os.path.realpath(folder)
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1])
        below = real == point or real.startswith(point.rstrip("/") + "/")
        if below and len(point) >= len(best):  # a later mount on the same point hides the earlier one
            best, kind = point, fields[2]
    return _SHARED.fullmatch(kind) is not None


def make_folder(path: Path) -> None:
    """Make the folder of the file. Raises `StoreError` when it can't be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {str(path.parent)!r} of the metadata store can't be made: {error.strerror}.",
            "Choose a place that you can write: zen init --path DIR.",
        ) from error


def _set_journal(connection: sqlite3.Connection, *, shared: bool) -> None:
    """WAL commits in 20 µs and lets readers in; the rollback journal is what a network disk can do safely."""
    wanted, synchronous = ("delete", "FULL") if shared else ("wal", "NORMAL")
    patience = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != wanted:
        try:
            connection.execute(f"PRAGMA journal_mode={wanted}")
        except sqlite3.OperationalError as error:
            # When two processes convert a new file at once, SQLite refuses one without waiting (1 opening in 100).
            if _name_of(error) != "SQLITE_BUSY" or time.monotonic() > patience:
                raise
            time.sleep(0.005)
    connection.execute(f"PRAGMA synchronous={synchronous}")


def plain_error(error: BaseException, path: Path) -> StoreError | None:
    """What a SQLite error means for the user, or None if it is nothing that they can mend."""
    name = _name_of(error)
    store = f"The metadata store {str(path)!r}"
    elsewhere = "or choose another place: zen init --path DIR."
    if name.startswith("SQLITE_READONLY"):
        return StoreError(
            f"{store} can't be written: the file or its folder is read-only.", f"Make them writable, {elsewhere}"
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return StoreError(f"{store} can't be opened: {_obstacle(path)}.", f"Make it readable and writable, {elsewhere}")
    if name.startswith("SQLITE_FULL"):
        return StoreError(
            f"{store} can't be written: the disk is full.", f"Free some space (`df -h {path.parent}`), {elsewhere}"
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return StoreError(
            f"{store} is damaged, or no SQLite database.",
            f"Move it away (`mv {path} {path}.broken`) and zenbook starts a new one; "
            f"`sqlite3 {path}.broken .recover` shows what can be saved.",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(
            f"{store} was locked by another program for more than {BUSY_SECONDS:g} s.",
            f"`fuser -v {path}` says which one; end it or let it finish, and try again.",
        )
    if name.startswith("SQLITE_IOERR"):
        return StoreError(
            f"{store} can't be read or written: the disk reports an error ({name}).",
            f"See whether the disk is full or a quota is used up (`df -h {path.parent}`), {elsewhere}",
        )
    return None


def _name_of(error: BaseException) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _obstacle(path: Path) -> str:
    if path.is_dir():
        return "there is a folder of that name"
    if not path.parent.is_dir():
        return "its folder is gone"
    if not os.access(path.parent, os.W_OK):  # also false on a read-only disk
        return "its folder is read-only"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return "you may not read and write the file"
    return "the file system refuses"
