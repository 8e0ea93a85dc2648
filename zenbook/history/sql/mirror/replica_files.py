"""The files of a workspace's mirrors: each is complete when it gets its name, and never changes afterwards."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zenbook.history.sql.mirror import mirror_schema
from zenbook.history.sql.mirror.mirror_schema import quoted
from zenbook.history.sql.mirror.replica_tables import ReplicaTables
from zenbook.stack.metadata_store import MetadataStore

if TYPE_CHECKING:
    import duckdb

WRITER_MEMORY = "80MB"  # for DuckDB while it writes a file, in addition to the rows in Python's memory
RUNS_PER_COMMIT = 3000  # in a transaction on a file
LOCK_TIMEOUT = 120.0  # seconds to wait for another process that writes a file
MAX_AGE = 7 * 86400.0  # seconds after which files of other versions count as abandoned


class ReplicaFiles:
    """A folder of files, whose names say which store, version and revision they hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def files_of(self, store: str) -> list[Path]:
        """List a store's files that this version of zenbook and DuckDB can read.

        Args:
            store: The id of the store's history.

        Returns:
            The paths, newest first.
        """
        return sorted(self.folder.glob(f"{_prefix(store)}*.duckdb"), reverse=True)

    def delete(self, store: str) -> None:
        """Delete a store's files.

        Args:
            store: The id of the store's history; ``*`` means every store.
        """
        _unlink(self.folder.glob(f"{store}-*.duckdb"))

    def write_next(self, metadata: MetadataStore, store: str, revision: int, *, from_last: bool) -> bool:
        """Write the next file, or wait for the process that is writing it.

        Args:
            metadata: The metadata store.
            store: The id of the store's history.
            revision: The revision that the caller has; the file should be newer.
            from_last: Whether to start from a copy of the newest file.

        Returns:
            Whether there is a newer file now. There is none if the disk is full or read-only; newer rows then stay in
            memory.
        """
        import duckdb
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "writing.lock", timeout=LOCK_TIMEOUT):
                if any(_revision_of(path) > revision for path in self.files_of(store)):
                    return True  # another process has written one meanwhile
                self._write(metadata, store, next(iter(self.files_of(store)), None) if from_last else None)
                return True
        except (OSError, Timeout, duckdb.IOException):
            return False

    def _write(self, metadata: MetadataStore, store: str, last: Path | None) -> None:
        import duckdb

        unfinished = self.folder / f"{uuid.uuid4().hex}.making"
        try:
            if last is not None:
                shutil.copyfile(last, unfinished)
            connection = duckdb.connect(str(unfinished), config={"memory_limit": WRITER_MEMORY})
            try:
                tables = ReplicaTables(connection, f"{_catalog_of(connection)}.main")
                revision = _fill(tables, metadata, store, exists=last is not None)
                connection.execute("CHECKPOINT")
            finally:
                connection.close()
            unfinished.replace(self.folder / f"{_prefix(store)}{revision:020}.duckdb")
        finally:
            _unlink(self.folder.glob(f"{unfinished.name}*"))
        self._delete_old(store)

    def _delete_old(self, store: str) -> None:
        """Delete the store's files except the newest, and files that others abandoned."""
        newest = self.files_of(store)[:1]
        for path in self.folder.iterdir():
            is_older = path.name.startswith(_prefix(store)) and path not in newest
            is_foreign = path.suffix in (".duckdb", ".making") and path not in newest
            with suppress(OSError):
                if is_older or (is_foreign and time.time() - path.stat().st_mtime > MAX_AGE):
                    path.unlink()


def _prefix(store: str) -> str:
    import duckdb

    return f"{store}-{mirror_schema.VERSION}-{duckdb.__version__}-"


def _revision_of(file: Path) -> int:
    return int(file.stem.rpartition("-")[2])


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _catalog_of(connection: duckdb.DuckDBPyConnection) -> str:
    ((name,),) = connection.execute("SELECT current_database()").fetchall()
    return quoted(name)


def _fill(tables: ReplicaTables, metadata: MetadataStore, store: str, *, exists: bool) -> int:
    """Bring a file up to date; gives the revision that it then has."""
    revision = 0
    if exists:
        revision = tables.open()[2]
    else:
        tables.create(store, 0)
    changes = metadata.changes(revision)
    present = [(change.run, change.revision) for change in changes.runs if not change.gone]
    gone = [change.run for change in changes.runs if change.gone]
    # DuckDB holds a transaction's rows in memory, beyond its memory limit.
    for start in range(0, max(len(present), 1), RUNS_PER_COMMIT):
        tables.begin()
        part = dict(present[start : start + RUNS_PER_COMMIT])
        tables.replace(metadata, part, gone if not start else (), new=not exists)
        tables.commit()
    tables.begin()
    tables.save_columns()
    tables.set_revision(changes.revision)
    tables.commit()
    return changes.revision
