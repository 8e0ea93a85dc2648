"""The edges of the lineage as questions to the mirror: each is asked of many step runs at once.

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
TELLING = 64  # bytes: equal content of less is no sign of a common origin (0, True, an empty list)


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
    """What the views `edges`, `artifacts`, `steps` and `params` say of calls."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def made(self, digest: str, **where: str) -> list[Call]:
        """Who made or served an artifact; ``where`` are other columns of `artifacts`."""
        conditions = " AND ".join(f"{name} = ?" for name in ("digest", *where))
        return self._calls(f"SELECT run, step FROM artifacts WHERE {conditions}", [digest, *where.values()])

    def given(self, digest: str, after: str) -> list[Call]:
        """Who read an object of that content that was passed to a pipeline, in runs after one."""
        query = "SELECT run, step FROM edges WHERE source_step = '' AND digest = ? AND run > ?"
        return self._calls(query, [digest, after])

    def readers(self, digest: str, **where: str) -> list[Call]:
        """Who read an artifact in the run that made or served it."""
        conditions = " AND ".join(f"a.{name} = ?" for name in ("digest", *where))
        query = f"""
            SELECT DISTINCT e.run, e.step FROM edges AS e JOIN artifacts AS a
            ON a.run = e.run AND a.step = e.source_step AND a.output = e.source_output WHERE {conditions}"""
        return self._calls(query, [digest, *where.values()])

    def readers_of_file(self, digest: str) -> list[Call]:
        """Who read a file of that content, whatever its name was."""
        return self._calls("SELECT DISTINCT run, step FROM params WHERE content = ? AND step <> ''", [digest])

    def digests(self, beginning: str) -> list[str]:
        """The digests of artifacts that begin so."""
        query = """
            SELECT DISTINCT digest FROM
            (SELECT digest FROM artifacts UNION ALL SELECT digest FROM edges) WHERE starts_with(digest, ?)"""
        return [one for (one,) in self._cursor.execute(query, [beginning]).fetchall()]

    def before(self, calls: Iterable[Call]) -> list[Call]:
        """Those whose outputs some calls read: within the run, or passed on from a run that began before."""
        return self._of(
            calls,
            f"""
            SELECT DISTINCT e.run, e.source_step FROM edges AS e JOIN calls USING (run, step)
            WHERE e.source_step <> ''
            UNION SELECT a.run, a.step FROM artifacts AS a JOIN (
                SELECT e.digest, max(e.run) AS last FROM edges AS e JOIN calls USING (run, step)
                WHERE e.source_step = '' GROUP BY ALL) AS g
            ON a.digest = g.digest AND a.run < g.last WHERE a.size >= {TELLING}""",
        )

    def after(self, calls: Iterable[Call]) -> list[Call]:
        """Those that read outputs of some calls: within the run, or given them in a run that began later."""
        return self._of(
            calls,
            f"""
            SELECT DISTINCT e.run, e.step FROM edges AS e
            JOIN calls AS c ON c.run = e.run AND c.step = e.source_step
            UNION SELECT e.run, e.step FROM edges AS e JOIN (
                SELECT a.digest, min(a.run) AS first FROM artifacts AS a JOIN calls USING (run, step)
                WHERE a.size >= {TELLING} GROUP BY ALL) AS g
            ON e.digest = g.digest AND e.run > g.first WHERE e.source_step = ''""",
        )

    def groups(self, distances: Mapping[Call, int]) -> list[Group]:
        """The calls that are recorded, those that did the same together."""
        self._register("calls", distances, distance=list(distances.values()))
        rows = self._cursor.execute(_GROUPS).fetchall()
        return [
            Group(pipeline, step, tuple(runs), (nearest, step), state, at, tuple(inputs or ()), tuple(outputs or ()))
            for pipeline, step, runs, nearest, state, at, inputs, outputs in rows
        ]

    def between(self, places: Mapping[Call, int]) -> set[tuple[int, int]]:
        """Which groups read what which groups made; a call belongs to the group at its place."""
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
               list(DISTINCT CASE source_step WHEN '' THEN '' ELSE source_step || '.' END || source_output) AS told
        FROM edges JOIN calls USING (run, step) GROUP BY ALL
    ), wrote AS (
        SELECT run, step, list(output || ' ' || digest ORDER BY output) AS same, list(output ORDER BY output) AS told
        FROM artifacts JOIN calls USING (run, step) GROUP BY ALL
    ), files AS (
        SELECT run, step, list('file ' || text ORDER BY name) AS told
        FROM params JOIN calls USING (run, step) WHERE content <> '' GROUP BY ALL
    )
    SELECT runs.pipeline, calls.step, list(calls.run ORDER BY calls.run DESC),
           arg_min(calls.run, distance),
           coalesce(arg_max(steps.state, calls.run) FILTER (steps.state <> 'cached'), 'cached'),
           epoch(coalesce(
               arg_max(coalesce(steps.ended_at, steps.started_at), calls.run) FILTER (steps.state <> 'cached'),
               arg_max(coalesce(steps.ended_at, steps.started_at), calls.run))),
           list_concat(list_sort(arg_max(read.told, calls.run)), arg_max(files.told, calls.run)),
           arg_max(wrote.told, calls.run)
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
     WHERE a.size >= {TELLING} GROUP BY ALL) AS m
    JOIN
    (SELECT e.digest, q.place, max(e.run) AS last FROM edges AS e JOIN placed AS q USING (run, step)
     WHERE e.source_step = '' GROUP BY ALL) AS g
    ON m.digest = g.digest AND m.first < g.last WHERE m.place <> g.place
"""
