"""The files of a workspace's mirrors: each is whole from the moment it has its name, and is never written again."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zenbook.history.sql.mirror.mirror_schema import VERSION, quoted
from zenbook.history.sql.mirror.replica_tables import ReplicaTables
from zenbook.stack.metadata_store import MetadataStore

if TYPE_CHECKING:
    import duckdb

WRITING = "80MB"  # while a file is made, beside the rows that Python has
COMMITTED = 3000  # runs in a transaction on a file
PATIENCE = 120.0  # seconds that one waits for another process that makes a file
OLD = 7 * 86400.0  # seconds after which files of other versions are taken for left behind


class ReplicaFiles:
    """A folder with files whose names say of which store, version and revision they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, store: str) -> list[Path]:
        """A store's files that this zenbook with this DuckDB can read, newest first."""
        return sorted(self.folder.glob(f"{_prefix(store)}*.duckdb"), reverse=True)

    def forget(self, store: str) -> None:
        """Remove a store's files; ``*`` is every store."""
        _remove(self.folder.glob(f"{store}-*.duckdb"))

    def make_next(self, metadata: MetadataStore, store: str, revision: int, *, on_last: bool) -> bool:
        """Make the next file, or wait for the process that does; whether there is one newer than a revision.

        ``on_last`` makes it out of a copy of the newest one.
        """
        import duckdb
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "writing.lock", timeout=PATIENCE):
                if any(_revision_of(path) > revision for path in self.of(store)):
                    return True  # another process has made one meanwhile
                self._make(metadata, store, next(iter(self.of(store)), None) if on_last else None)
                return True
        except (OSError, Timeout, duckdb.IOException):  # a full or read-only disk: what is new stays in memory
            return False

    def _make(self, metadata: MetadataStore, store: str, last: Path | None) -> None:
        import duckdb

        making = self.folder / f"{uuid.uuid4().hex}.making"
        try:
            if last is not None:
                shutil.copyfile(last, making)
            connection = duckdb.connect(str(making), config={"memory_limit": WRITING})
            try:
                copy = ReplicaTables(connection, f"{_catalog_of(connection)}.main")
                revision = _fill(copy, metadata, store, exists=last is not None)
                connection.execute("CHECKPOINT")
            finally:
                connection.close()
            making.replace(self.folder / f"{_prefix(store)}{revision:020}.duckdb")
        finally:
            _remove(self.folder.glob(f"{making.name}*"))
        self._sweep(store)

    def _sweep(self, store: str) -> None:
        """Remove what is older than the newest file, and what others have left behind."""
        newest = self.of(store)[:1]
        for path in self.folder.iterdir():
            ours = path.name.startswith(_prefix(store)) and path not in newest
            left = path.suffix in (".duckdb", ".making") and path not in newest
            with suppress(OSError):
                if ours or (left and time.time() - path.stat().st_mtime > OLD):
                    path.unlink()


def _prefix(store: str) -> str:
    import duckdb

    return f"{store}-{VERSION}-{duckdb.__version__}-"


def _revision_of(file: Path) -> int:
    return int(file.stem.rpartition("-")[2])


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _catalog_of(connection: duckdb.DuckDBPyConnection) -> str:
    ((name,),) = connection.execute("SELECT current_database()").fetchall()
    return quoted(name)


def _fill(copy: ReplicaTables, metadata: MetadataStore, store: str, *, exists: bool) -> int:
    """Bring a file up to date, and give the revision up to which it then is."""
    revision = 0
    if exists:
        revision = copy.open()[2]
    else:
        copy.create(store, 0)
    changes = metadata.changes(revision)
    news = [(one.run, one.revision) for one in changes.runs if not one.gone]
    gone = [one.run for one in changes.runs if one.gone]
    for start in range(0, max(len(news), 1), COMMITTED):  # a transaction's rows are in memory, beyond DuckDB's limit
        copy.begin()
        copy.replace(metadata, dict(news[start : start + COMMITTED]), gone if not start else (), new=not exists)
        copy.commit()
    copy.begin()
    copy.settle()
    copy.set_revision(changes.revision)
    copy.commit()
    return changes.revision
