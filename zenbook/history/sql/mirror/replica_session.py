"""An open mirror: a base that never changes, the newer rows in memory, and views over both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zenbook.core.states import RunState
from zenbook.history.sql.mirror.replica_tables import ReplicaTables
from zenbook.history.sql.mirror.views import Parts, define_views
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import Change, Changes

if TYPE_CHECKING:
    import duckdb

# A computer that loses power may lose the last transactions of a SQLite file that the mirror has already copied. So the
# runs that changed at the newest revisions are compared each time; if they differ, the mirror is built again.
COMPARED_REVISIONS = 100
_UNFINISHED = [RunState.PENDING.value, RunState.RUNNING.value]


class ReplicaSession:
    """A base, the newer rows, and views over both."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, store: str, revision: int, base: ReplicaTables | None
    ) -> None:
        self.connection = connection
        self.store = store
        self.revision = revision
        self.base = base
        connection.execute("CREATE SCHEMA newer")
        connection.execute("CREATE TABLE newer.outdated (run VARCHAR)")  # runs for which the base is out of date
        self.newer = ReplicaTables(connection, "memory.newer")
        self.newer.create(store, 0)
        if base is not None:
            connection.execute("DROP TABLE newer.runs")
            connection.execute("CREATE TABLE newer.runs AS SELECT * FROM base.main.runs LIMIT 0")
            self.newer.columns, self.newer.code_digests = base.columns.copy(), set(base.code_digests)
        self._recent = base.revisions(revision - COMPARED_REVISIONS) if base else {}
        self._outdated: set[str] = set()
        self._names_in_base = base.present() if base else set()
        self.fields: dict[str, dict[str, str]] = {}
        self.unfinished_runs: list[str] = []
        self._define_views()

    def agrees_with(self, changes: Changes) -> bool:
        """Check that the store still has the history that was copied.

        Args:
            changes: The store's changes since `COMPARED_REVISIONS` before this session's revision.

        Returns:
            Whether the copied runs that changed last have the same revisions in the store.
        """
        if changes.store != self.store or changes.revision < self.revision:
            return False
        changed = {change.run for change in changes.runs if change.revision > self.revision}
        theirs = {
            change.run: change.revision
            for change in changes.runs
            if change.revision <= self.revision and not change.gone
        }
        oldest = self.revision - COMPARED_REVISIONS
        ours = {run: revision for run, revision in self._recent.items() if revision > oldest and run not in changed}
        return ours == theirs

    def apply(self, store: MetadataStore, changes: list[Change], revision: int) -> None:
        """Copy what changed in the store since this session's revision.

        Args:
            store: The metadata store.
            changes: The runs that changed or were deleted.
            revision: The store's revision after these changes.
        """
        present = {change.run: change.revision for change in changes if not change.gone}
        gone = [change.run for change in changes if change.gone]
        self.newer.begin()
        outdated = self._in_base([change.run for change in changes if change.run not in self._outdated])
        if outdated:
            self.connection.execute("INSERT INTO newer.outdated SELECT unnest(?)", [outdated])
            self._outdated.update(outdated)
        self.newer.replace(store, present, gone, new=not self.newer.size)
        self.revision = revision
        oldest = revision - COMPARED_REVISIONS
        self._recent = {run: changed for run, changed in self._recent.items() if changed > oldest and run not in gone}
        self._recent |= {run: changed for run, changed in present.items() if changed > oldest}
        if self.base is not None and outdated:
            self._names_in_base = self.base.present("ANTI JOIN newer.outdated ON id = run")
        self._define_views()
        self.newer.commit()

    def _in_base(self, runs: list[str]) -> list[str]:
        """Those of some runs that the base has."""
        if self.base is None or not runs:
            return []
        rows = self.connection.execute("SELECT run FROM base.main.revisions WHERE run IN (SELECT unnest(?))", [runs])
        return [run for (run,) in rows.fetchall()]

    def _define_views(self) -> None:
        names = self._names_in_base | self.newer.present()
        columns = {name: self.newer.columns[name] for name in names}
        parts = Parts(base=self.base is not None, outdated=bool(self._outdated), newer=bool(self.newer.size))
        self.fields = define_views(self.connection, columns, parts)
        rows = self.connection.execute("SELECT id FROM memory.main.runs WHERE state IN (?, ?)", _UNFINISHED).fetchall()
        self.unfinished_runs = [run for (run,) in rows]
