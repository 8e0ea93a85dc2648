"""A mirror that is up to date: a base in a file that nobody changes, and what is newer in this process's memory.

DuckDB lets one process write to a file, or several read it, and never both. So the file is not written again once it
has its name: all kernels of a workspace read it at the same time, and each keeps what changed since in a database in
its memory, which is little. Where that has become much, one of them (by a lock) makes the next file out of a copy of
the last, gives it its name when it is whole, and removes the older ones; who still reads those keeps them open.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from zenbook.runs.mirror.copy import Copy
from zenbook.runs.mirror.tables import VERSION, literal, quoted
from zenbook.runs.mirror.views import define_views
from zenbook.stack.components import MetadataStore
from zenbook.stack.records import Change, Changes
from zenbook.stack.stack import OpenStack

if TYPE_CHECKING:
    import duckdb

FOLDER = "mirror"  # in the workspace
LEAST = 500  # changed runs that are worth a new file; of many runs, a tenth
# A computer that loses power may lose the last transactions of a SQLite file that the mirror has seen. The runs that
# changed at the newest revisions are compared each time, and when they differ the mirror is made anew.
COMPARED = 100
MEMORY = "1GB"  # at most, for a question over thousands of names; others take a tenth of it
WRITING = "80MB"  # while a file is made, beside the rows that Python has
COMMITTED = 3000  # runs in a transaction on a file
PATIENCE = 120.0  # seconds that one waits for another process that makes a file
OLD = 7 * 86400.0  # seconds after which files of other versions are taken for left behind
END = 2**62  # after every revision


class Mirror:
    """The mirror of one metadata store, for one process. Any thread may ask it."""

    def __init__(self, store: MetadataStore, folder: Path, *, allow_files: bool = False) -> None:
        self._store = store
        self._folder = folder
        self._allow_files = allow_files
        self._lock = threading.RLock()
        self._opened: _Opened | None = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection that sees the views as they are now; the caller closes it.

        Raises `StoreError` when the metadata store can't be read.
        """
        with self._lock:
            try:
                return self._caught_up().connection.cursor()
            except BaseException:
                self.close()  # something may be half done
                raise

    @property
    def revision(self) -> int:
        """Up to which revision of the store this has all."""
        return self._opened.revision if self._opened else 0

    def field(self, section: str, name: str) -> str:
        """The field of a parameter or metric; the name itself where there is none."""
        return self._opened.fields.get(section, {}).get(name, name) if self._opened else name

    def fields(self, section: str) -> list[str]:
        """The names in ``params`` or ``metrics`` of the view ``runs``, as SQL has them."""
        return list(self._opened.fields.get(section, {}).values()) if self._opened else []

    def forget(self) -> None:
        """Remove the files of this store: the next use makes all anew."""
        with self._lock:
            store = self._opened.store if self._opened else "*"
            self.close()
            for path in self._folder.glob(f"{store}-*.duckdb"):
                with suppress(OSError):
                    path.unlink()

    def close(self) -> None:
        """Let go of the file and of what is in memory."""
        with self._lock:
            if self._opened is not None:
                self._opened.connection.close()
                self._opened = None

    # --- catching up ------------------------------------------------------------------------------------------------

    def _caught_up(self) -> _Opened:
        opened = self._opened
        if opened is None:
            opened = self._opened = self._open(self._store.changes(END).store)
        changes = self._store.changes(max(0, opened.revision - COMPARED))
        if not opened.agrees_with(changes):
            self.close()
            if changes.store == opened.store:
                for path in self._files(opened.store):
                    with suppress(OSError):
                        path.unlink()
            opened = self._opened = self._open(changes.store)
            changes = self._store.changes(0)
        news = [one for one in changes.runs if one.revision > opened.revision]
        if not news:
            return opened
        if len(news) + opened.news.size > max(LEAST, opened.base.size // 10 if opened.base else 0):
            del changes, news  # of the first time they take 40 MB
            if self._make_file(opened):
                self.close()
                opened = self._opened = self._open(opened.store)
            changes = self._store.changes(opened.revision)
            news = [one for one in changes.runs if one.revision > opened.revision]
        if news:
            opened.take(self._store, news, changes.revision)
        return opened

    def _open(self, store: str) -> _Opened:
        """On the newest file that can be read; without one all is in memory."""
        import duckdb

        for path in self._files(store):
            connection = self._connection()
            try:
                connection.execute(f"ATTACH {literal(str(path))} AS base (READ_ONLY)")
                base = Copy(connection, "base.main")
                version, of, revision = base.open()
                if (version, of) == (VERSION, store):
                    return _Opened(self._locked(connection), store, revision, base)
            except duckdb.Error:
                pass  # damaged: it is made again
            connection.close()
            with suppress(OSError):
                path.unlink()
        return _Opened(self._locked(self._connection()), store, 0, None)

    def _connection(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        }
        return duckdb.connect(":memory:", config=settings)

    def _locked(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        """After this no query can reach a file, the network or an extension, nor change the settings."""
        spilled = self._folder / "spilled"
        connection.execute(f"SET temp_directory = {literal(str(spilled))}")
        if not self._allow_files:
            connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection

    # --- files ------------------------------------------------------------------------------------------------------

    def _make_file(self, opened: _Opened) -> bool:
        """Make the next file, or wait for the process that does; whether there is a newer one than is opened."""
        import duckdb
        from filelock import FileLock, Timeout

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / "writing.lock", timeout=PATIENCE):
                if any(_revision_of(path) > opened.revision for path in self._files(opened.store)):
                    return True  # another process has made one meanwhile
                return self._make_next(opened)
        except (OSError, Timeout, duckdb.IOException):  # a full or read-only disk: what is new stays in memory
            return False

    def _make_next(self, opened: _Opened) -> bool:
        import duckdb

        before = next(iter(self._files(opened.store)), None) if opened.base else None
        making = self._folder / f"{uuid.uuid4().hex}.making"
        try:
            if before is not None:
                shutil.copyfile(before, making)
            connection = duckdb.connect(str(making), config={"memory_limit": WRITING})
            try:
                revision = _fill(Copy(connection, f"{_catalog_of(connection)}.main"), self._store, opened, bool(before))
                connection.execute("CHECKPOINT")
            finally:
                connection.close()
            making.replace(self._folder / f"{self._prefix(opened.store)}{revision:020}.duckdb")
        finally:
            for path in self._folder.glob(f"{making.name}*"):
                with suppress(OSError):
                    path.unlink()
        self._sweep(opened.store)
        return True

    def _files(self, store: str) -> list[Path]:
        """This store's files that this zenbook with this DuckDB can read, newest first."""
        return sorted(self._folder.glob(f"{self._prefix(store)}*.duckdb"), reverse=True)

    def _prefix(self, store: str) -> str:
        import duckdb

        return f"{store}-{VERSION}-{duckdb.__version__}-"

    def _sweep(self, store: str) -> None:
        """Remove what is older than the newest file, and what others have left behind."""
        newest = self._files(store)[:1]
        for path in self._folder.iterdir():
            ours = path.name.startswith(self._prefix(store)) and path not in newest
            left = path.suffix in (".duckdb", ".making") and path not in newest
            with suppress(OSError):
                if ours or (left and time.time() - path.stat().st_mtime > OLD):
                    path.unlink()


def _revision_of(file: Path) -> int:
    return int(file.stem.rpartition("-")[2])


def _catalog_of(connection: duckdb.DuckDBPyConnection) -> str:
    ((name,),) = connection.execute("SELECT current_database()").fetchall()
    return quoted(name)


def _fill(copy: Copy, store: MetadataStore, opened: _Opened, exists: bool) -> int:
    """Bring a file up to date, and give the revision up to which it then is."""
    revision = 0
    if exists:
        revision = copy.open()[2]
    else:
        copy.create(opened.store, 0)
    changes = store.changes(revision)
    news = [(one.run, one.revision) for one in changes.runs if not one.gone]
    gone = [one.run for one in changes.runs if one.gone]
    for start in range(0, max(len(news), 1), COMMITTED):  # a transaction's rows are in memory, beyond DuckDB's limit
        copy.begin()
        copy.replace(store, dict(news[start : start + COMMITTED]), gone if not start else (), new=not exists)
        copy.commit()
    copy.begin()
    copy.settle()
    copy.set_revision(changes.revision)
    copy.commit()
    return changes.revision


class _Opened:
    """A base, what is newer, and views over both."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, store: str, revision: int, base: Copy | None) -> None:
        self.connection = connection
        self.store = store
        self.revision = revision
        self.base = base
        connection.execute("CREATE SCHEMA news")
        connection.execute("CREATE TABLE news.touched (run VARCHAR)")  # runs of which the base is out of date
        self.news = Copy(connection, "memory.news")
        self.news.create(store, 0)
        if base is not None:
            connection.execute("DROP TABLE news.runs")
            connection.execute("CREATE TABLE news.runs AS SELECT * FROM base.main.runs LIMIT 0")
            self.news.places, self.news.known = base.places.copy(), set(base.known)
        self._recent = base.revisions(revision - COMPARED) if base else {}
        self._touched: set[str] = set()
        self._in_base = base.present() if base else set()
        self.fields: dict[str, dict[str, str]] = {}
        self._define()

    def agrees_with(self, changes: Changes) -> bool:
        """Whether the store's history is the one that was copied, as far as the newest changes tell."""
        if changes.store != self.store or changes.revision < self.revision:
            return False
        moved = {one.run for one in changes.runs if one.revision > self.revision}
        theirs = {one.run: one.revision for one in changes.runs if one.revision <= self.revision and not one.gone}
        least = self.revision - COMPARED
        ours = {run: at for run, at in self._recent.items() if at > least and run not in moved}
        return ours == theirs

    def take(self, store: MetadataStore, news: list[Change], revision: int) -> None:
        """Take over what changed."""
        present = {one.run: one.revision for one in news if not one.gone}
        gone = [one.run for one in news if one.gone]
        self.news.begin()
        outdated = self._outdated([one.run for one in news if one.run not in self._touched])
        if outdated:
            self.connection.execute("INSERT INTO news.touched SELECT unnest(?)", [outdated])
            self._touched.update(outdated)
        self.news.replace(store, present, gone, new=not self.news.size)
        self.revision = revision
        self._recent = {run: at for run, at in self._recent.items() if at > revision - COMPARED and run not in gone}
        self._recent |= {run: at for run, at in present.items() if at > revision - COMPARED}
        if self.base is not None and outdated:
            self._in_base = self.base.present("ANTI JOIN news.touched ON id = run")
        self._define()
        self.news.commit()

    def _outdated(self, runs: list[str]) -> list[str]:
        """Those of some runs that the base has."""
        if self.base is None or not runs:
            return []
        found = self.connection.execute("SELECT run FROM base.main.revisions WHERE run IN (SELECT unnest(?))", [runs])
        return [run for (run,) in found.fetchall()]

    def _define(self) -> None:
        names = self._in_base | self.news.present()
        places = {one: self.news.places[one] for one in names}
        self.fields = define_views(self.connection, places, base=self.base is not None, touched=bool(self._touched))


_mirrors: WeakKeyDictionary[MetadataStore, dict[tuple[int, str, bool], Mirror]] = WeakKeyDictionary()
_making = threading.Lock()


def mirror_of(stack: OpenStack, *, allow_files: bool = False) -> Mirror:
    """The mirror of a stack's metadata store; one for each process, since DuckDB's threads don't survive a fork."""
    folder = stack.workspace.home / FOLDER
    with _making:
        of_store = _mirrors.setdefault(stack.metadata, {})
        key = (os.getpid(), str(folder), allow_files)
        if key not in of_store:
            of_store[key] = Mirror(stack.metadata, folder, allow_files=allow_files)
        return of_store[key]


@contextmanager
def reading(mirror: Mirror) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor in a transaction that can't write."""
    cursor = mirror.cursor()
    try:
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        yield cursor
    finally:
        cursor.close()
