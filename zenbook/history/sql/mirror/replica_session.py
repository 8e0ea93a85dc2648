"""A mirror that has been opened: a base that nobody changes, what is newer in memory, and views over both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zenbook.core.states import RunState
from zenbook.history.sql.mirror.replica_tables import ReplicaTables
from zenbook.history.sql.mirror.views import Parts, define_views
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import Change, Changes

if TYPE_CHECKING:
    import duckdb

# A computer that loses power may lose the last transactions of a SQLite file that the mirror has seen. The runs that
# changed at the newest revisions are compared each time, and when they differ the mirror is made anew.
COMPARED = 100
_GOING_ON = [RunState.PENDING.value, RunState.RUNNING.value]


class ReplicaSession:
    """A base, what is newer, and views over both."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, store: str, revision: int, base: ReplicaTables | None
    ) -> None:
        self.connection = connection
        self.store = store
        self.revision = revision
        self.base = base
        connection.execute("CREATE SCHEMA news")
        connection.execute("CREATE TABLE news.touched (run VARCHAR)")  # runs of which the base is out of date
        self.news = ReplicaTables(connection, "memory.news")
        self.news.create(store, 0)
        if base is not None:
            connection.execute("DROP TABLE news.runs")
            connection.execute("CREATE TABLE news.runs AS SELECT * FROM base.main.runs LIMIT 0")
            self.news.places, self.news.known = base.places.copy(), set(base.known)
        self._recent = base.revisions(revision - COMPARED) if base else {}
        self._touched: set[str] = set()
        self._in_base = base.present() if base else set()
        self.fields: dict[str, dict[str, str]] = {}
        self.going_on: list[str] = []
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
        parts = Parts(base=self.base is not None, touched=bool(self._touched), news=bool(self.news.size))
        self.fields = define_views(self.connection, places, parts)
        found = self.connection.execute("SELECT id FROM memory.main.runs WHERE state IN (?, ?)", _GOING_ON).fetchall()
        self.going_on = [run for (run,) in found]
