"""The edges of the lineage as queries of the mirror, each for many step runs at once.

A call is one step of one run.
"""

# ruff: noqa: S608  # names are ours, values are bound or registered

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

Call = tuple[str, str]  # run, step
MIN_TELLING_SIZE = 64  # bytes: equal content of less does not tell of a common origin (0, True, an empty list)


@dataclass(frozen=True, slots=True)
class Group:
    """Calls that did the same: same pipeline, step, inputs and outputs."""

    pipeline: str
    step: str
    runs: tuple[str, ...]  # newest first
    nearest: Call  # the one with the least distance
    state: str  # of the newest that ran, else of the newest
    at: float | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Edges:
    """What the views `edges`, `artifacts`, `steps` and `params` of the mirror hold about calls."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def makers(self, digest: str, **where: str) -> list[Call]:
        """The calls that made or served an artifact.

        Args:
            digest: The artifact's digest.
            **where: Values that other columns of `artifacts` must have.

        Returns:
            Calls.
        """
        conditions = " AND ".join(f"{name} = ?" for name in ("digest", *where))
        return self._calls(f"SELECT run, step FROM artifacts WHERE {conditions}", [digest, *where.values()])

    def receivers(self, digest: str, after: str) -> list[Call]:
        """The calls that read an object of some content that was passed to their pipeline.

        Args:
            digest: The digest of the content.
            after: The id of a run; only later runs count.

        Returns:
            Calls.
        """
        query = "SELECT run, step FROM edges WHERE source_step = '' AND digest = ? AND run > ?"
        return self._calls(query, [digest, after])

    def readers(self, digest: str, **where: str) -> list[Call]:
        """The calls that read an artifact in the run that made or served it.

        Args:
            digest: The artifact's digest.
            **where: Values that other columns of `artifacts` must have.

        Returns:
            Calls.
        """
        conditions = " AND ".join(f"a.{name} = ?" for name in ("digest", *where))
        query = f"""
            SELECT DISTINCT e.run, e.step FROM edges AS e JOIN artifacts AS a
            ON a.run = e.run AND a.step = e.source_step AND a.output = e.source_output WHERE {conditions}"""
        return self._calls(query, [digest, *where.values()])

    def readers_of_file(self, digest: str) -> list[Call]:
        """The calls that read a file of some content, whatever its name was.

        Args:
            digest: The digest of the content.

        Returns:
            Calls.
        """
        return self._calls("SELECT DISTINCT run, step FROM params WHERE content = ? AND step <> ''", [digest])

    def digests(self, beginning: str) -> list[str]:
        """The digests of artifacts that begin with some digits.

        Args:
            beginning: Hex digits.

        Returns:
            Whole digests.
        """
        query = """
            SELECT DISTINCT digest FROM
            (SELECT digest FROM artifacts UNION ALL SELECT digest FROM edges) WHERE starts_with(digest, ?)"""
        return [digest for (digest,) in self._cursor.execute(query, [beginning]).fetchall()]

    def before(self, calls: Iterable[Call]) -> list[Call]:
        """The calls whose outputs some calls read: within the run, or passed on from a run that began before.

        Args:
            calls: The calls that read.

        Returns:
            Calls.
        """
        return self._of(
            calls,
            f"""
            SELECT DISTINCT e.run, e.source_step FROM edges AS e JOIN calls USING (run, step)
            WHERE e.source_step <> ''
            UNION SELECT a.run, a.step FROM artifacts AS a JOIN (
                SELECT e.digest, max(e.run) AS last FROM edges AS e JOIN calls USING (run, step)
                WHERE e.source_step = '' GROUP BY ALL) AS g
            ON a.digest = g.digest AND a.run < g.last WHERE a.size >= {MIN_TELLING_SIZE}""",
        )

    def after(self, calls: Iterable[Call]) -> list[Call]:
        """The calls that read outputs of some calls: within the run, or passed to a run that began later.

        Args:
            calls: The calls whose outputs are read.

        Returns:
            Calls.
        """
        return self._of(
            calls,
            f"""
            SELECT DISTINCT e.run, e.step FROM edges AS e
            JOIN calls AS c ON c.run = e.run AND c.step = e.source_step
            UNION SELECT e.run, e.step FROM edges AS e JOIN (
                SELECT a.digest, min(a.run) AS first FROM artifacts AS a JOIN calls USING (run, step)
                WHERE a.size >= {MIN_TELLING_SIZE} GROUP BY ALL) AS g
            ON e.digest = g.digest AND e.run > g.first WHERE e.source_step = ''""",
        )

    def groups(self, distances: Mapping[Call, int]) -> list[Group]:
        """The calls that are recorded, those that did the same together.

        Args:
            distances: The distance of each call from the artifact.

        Returns:
            Groups of calls.
        """
        self._register("calls", distances, distance=list(distances.values()))
        rows = self._cursor.execute(_GROUPS).fetchall()
        return [
            Group(pipeline, step, tuple(runs), (nearest, step), state, at, tuple(inputs or ()), tuple(outputs or ()))
            for pipeline, step, runs, nearest, state, at, inputs, outputs in rows
        ]

    def between(self, places: Mapping[Call, int]) -> set[tuple[int, int]]:
        """Which groups read what other groups made.

        Args:
            places: The place of the group that each call belongs to.

        Returns:
            Pairs of places, from the earlier to the later group.
        """
        self._register("placed", places, place=list(places.values()))
        return set(self._cursor.execute(_BETWEEN).fetchall())

    def _of(self, calls: Iterable[Call], query: str) -> list[Call]:
        self._register("calls", calls)
        return self._calls(query)

    def _calls(self, query: str, values: list[str] | None = None) -> list[Call]:
        return self._cursor.execute(query, values).fetchall()

    def _register(self, name: str, calls: Iterable[Call], **more: list[Any]) -> None:
        import pyarrow as pa

        runs, steps = zip(*calls, strict=True)
        columns = {"run": pa.array(runs, pa.string()), "step": pa.array(steps, pa.string())}
        self._cursor.register(name, pa.table({**columns, **more}))


_GROUPS = """
    WITH read AS (
        SELECT run, step, list(input || ' ' || digest ORDER BY input) AS same,
               list(DISTINCT CASE source_step WHEN '' THEN '' ELSE source_step || '.' END || source_output) AS names
        FROM edges JOIN calls USING (run, step) GROUP BY ALL
    ), wrote AS (
        SELECT run, step, list(output || ' ' || digest ORDER BY output) AS same, list(output ORDER BY output) AS names
        FROM artifacts JOIN calls USING (run, step) GROUP BY ALL
    ), files AS (
        SELECT run, step, list('file ' || text ORDER BY name) AS names
        FROM params JOIN calls USING (run, step) WHERE content <> '' GROUP BY ALL
    )
    SELECT runs.pipeline, calls.step, list(calls.run ORDER BY calls.run DESC),
           arg_min(calls.run, distance),
           coalesce(arg_max(steps.state, calls.run) FILTER (steps.state <> 'cached'), 'cached'),
           epoch(coalesce(
               arg_max(coalesce(steps.ended_at, steps.started_at), calls.run) FILTER (steps.state <> 'cached'),
               arg_max(coalesce(steps.ended_at, steps.started_at), calls.run))),
           list_concat(list_sort(arg_max(read.names, calls.run)), arg_max(files.names, calls.run)),
           arg_max(wrote.names, calls.run)
    FROM calls JOIN steps USING (run, step) JOIN runs ON runs.id = calls.run
    LEFT JOIN read USING (run, step) LEFT JOIN wrote USING (run, step) LEFT JOIN files USING (run, step)
    GROUP BY runs.pipeline, calls.step, read.same, wrote.same
"""

_BETWEEN = f"""
    SELECT p.place, q.place FROM edges AS e
    JOIN placed AS q ON q.run = e.run AND q.step = e.step
    JOIN placed AS p ON p.run = e.run AND p.step = e.source_step
    WHERE p.place <> q.place
    UNION SELECT m.place, g.place FROM
    (SELECT a.digest, p.place, min(a.run) AS first FROM artifacts AS a JOIN placed AS p USING (run, step)
     WHERE a.size >= {MIN_TELLING_SIZE} GROUP BY ALL) AS m
    JOIN
    (SELECT e.digest, q.place, max(e.run) AS last FROM edges AS e JOIN placed AS q USING (run, step)
     WHERE e.source_step = '' GROUP BY ALL) AS g
    ON m.digest = g.digest AND m.first < g.last WHERE m.place <> g.place
"""
