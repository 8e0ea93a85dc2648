"""After any history: the views hold what plain Python finds in the store, and catching up equals a rebuild."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notebooks.servers import Server
from tests.history.sql.mirror.histories import (
    Damage,
    Die,
    Look,
    Restart,
    as_sql,
    conditions,
    expected_rows,
    expected_runs,
    histories,
)
from tests.servers.databases import new_database, store_at
from zenbook.errors import StoreError
from zenbook.history.sql.mirror import mirror as mirror_module
from zenbook.history.sql.mirror import replica_tables
from zenbook.history.sql.mirror.mirror import Mirror, transaction
from zenbook.history.sql.mirror.views import VIEWS, field_names
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import RunQuery

KEYS = {"runs": "id", "steps": "run, step", "params": "run, step, name", "metrics": "run, step, name, n",
        "artifacts": "run, step, output", "edges": "run, step, input", "code": "run, step", "logs": "run, step, n"}  # fmt: skip
pytestmark = pytest.mark.usefixtures("small_batches")


@pytest.fixture(scope="module")
def small_batches() -> Iterator[None]:
    """Write a file for a few runs, in several batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror_module, "MIN_CHANGED_RUNS", 2)
        patch.setattr(replica_tables, "BATCH_RUNS", 2)
        yield


class Flaky:
    """A store that fails after some queries, as if the process were killed."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self.queries: int | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "rows" and self.queries is not None:
            self.queries -= 1
            if self.queries < 0:
                raise StoreError("killed")
        return getattr(self._store, name)


def ask(mirror: Mirror, query: str) -> Any:
    with transaction(mirror, read_only=True) as cursor:
        return cursor.sql(query).to_arrow_table()


def everything(mirror: Mirror) -> dict[str, Any]:
    """All rows of all views, with the types of their columns."""
    answers = {view.name: ask(mirror, f"SELECT * FROM {view.name} ORDER BY {KEYS[view.name]}") for view in VIEWS}
    return {name: (str(table.schema), table.to_pylist()) for name, table in answers.items()}


def happen(history: Sequence[Any], store: MetadataStore, folder: Path) -> Mirror:
    """The mirror after these events."""
    seen = Flaky(store)
    mirror = Mirror(seen, folder)  # type: ignore[arg-type]
    for event in history:
        match event:
            case Look():
                ask(mirror, "SELECT count(*) FROM runs")
            case Restart():
                mirror = Mirror(seen, folder)  # type: ignore[arg-type]
            case Die(after):
                seen.queries = after
                try:
                    ask(mirror, "SELECT count(*) FROM runs")
                except StoreError:
                    mirror = Mirror(seen, folder)  # type: ignore[arg-type]
                seen.queries = None
            case Damage(whole):
                mirror.close()
                for path in folder.glob("*.duckdb"):
                    path.write_bytes(b"" if whole else b"\0" * 4096 + path.read_bytes()[4096:])
            case write:
                write(store)
    return mirror


def check_against_python(mirror: Mirror, store: MetadataStore) -> dict[str, dict[str, Any]]:
    actual = {row.pop("id"): row for row in ask(mirror, "SELECT * FROM runs").to_pylist()}
    expected = expected_runs(store)
    assert sorted(actual) == sorted(expected)
    for section in ("params", "metrics"):
        fields = field_names({name for run in expected.values() for name in run[section]})
        for name, field in fields.items():
            values = as_sql([run[section].get(name) for run in expected.values()])
            assert [_number(actual[run][section][field]) for run in expected] == values, (section, name)
        if fields:
            assert set(next(iter(actual.values()))[section]) == set(fields.values())
    for run, facts in expected.items():
        for name in set(facts) - {"params", "metrics"}:
            assert actual[run][name] == facts[name], name
    runs = [change.run for change in store.changes(0).runs if not change.gone]  # also late rows of deleted runs
    for view, rows in expected_rows(store, runs).items():
        answered = [
            {name: value.timestamp() if isinstance(value, datetime) else value for name, value in row.items()}
            for row in ask(mirror, f"SELECT * FROM {view}").to_pylist()
        ]
        keys = KEYS[view].split(", ")
        by_key = {tuple(row[key] for key in keys): row for row in answered}
        assert len(by_key) == len(answered)
        assert by_key == {tuple(row[key] for key in keys): row for row in rows}, view
    return expected


def _number(value: Any) -> Any:
    """Integers of more than 64 bits come as decimals."""
    return int(value) if type(value).__name__ == "Decimal" else value


@pytest.fixture(scope="module")
def mysql_store(mariadb: Server) -> Iterator[SqlMetadataStore]:
    opened = store_at(mariadb.url(new_database()))
    yield opened
    opened.close()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories, data=st.data())
def test_views_and_conditions_agree_with_python_and_a_rebuild_says_the_same(history: list[Any], data: Any) -> None:
    folder = Path(tempfile.mkdtemp())
    store = sqlite_store(folder / "metadata.sqlite")
    try:
        mirror = happen(history, store, folder / "mirror")
        runs = check_against_python(mirror, store)
        assert everything(mirror) == everything(Mirror(store, folder / "rebuilt"))
        numeric = {
            section: [
                name
                for name in {name for run in runs.values() for name in run[section]}
                if name
                and name.lower() not in ("lr", "lr_2")
                and {type(value) for value in as_sql([run[section].get(name) for run in runs.values()])}
                <= {int, float, type(None)}
                and any(value is not None for value in as_sql([run[section].get(name) for run in runs.values()]))
            ]
            for section in ("params", "metrics")
        }
        if any(numeric.values()):
            condition = data.draw(conditions(numeric))
            matching = ask(mirror, f"SELECT id FROM runs WHERE {condition.sql}")["id"].to_pylist()
            assert set(matching) == {run for run, values in runs.items() if condition.holds(values)}, condition.sql
    finally:
        store.close()
        shutil.rmtree(folder)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories)
def test_mariadb_gives_the_answers_that_sqlite_gives(history: list[Any], mysql_store: SqlMetadataStore) -> None:
    folder = Path(tempfile.mkdtemp())
    store = sqlite_store(folder / "metadata.sqlite")
    mysql_store.delete_runs([run.id for run in mysql_store.runs(RunQuery(limit=None))])
    orphans = [change.run for change in mysql_store.changes(0).runs if not change.gone]
    mysql_store.delete_runs(orphans)
    try:
        here = happen(history, store, folder / "here")
        there = happen(history, mysql_store, folder / "there")
        check_against_python(there, mysql_store)
        assert everything(here) == everything(there)
    finally:
        store.close()
        shutil.rmtree(folder)
