"""Whatever happened: the views say what plain Python finds in the store, and catching up is as good as a rebuild."""

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
from zenbook.history.sql.mirror import mirror, replica_tables
from zenbook.history.sql.mirror.mirror import Mirror, reading
from zenbook.history.sql.mirror.views import VIEWS, field_names
from zenbook.metadata_stores.sql_store.sql_store import SqlMetadataStore, sqlite_store
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import RunQuery

KEYS = {"runs": "id", "steps": "run, step", "params": "run, step, name", "metrics": "run, step, name, n",
        "artifacts": "run, step, output", "edges": "run, step, input", "code": "run, step", "logs": "run, step, n"}  # fmt: skip
pytestmark = pytest.mark.usefixtures("small_portions")


@pytest.fixture(scope="module")
def small_portions() -> Iterator[None]:
    """A few runs are worth a file, and are copied in several portions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror, "MIN_CHANGED_RUNS", 2)
        patch.setattr(replica_tables, "AT_ONCE", 2)
        yield


class Flaky:
    """The store as a process sees it that dies after some questions."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self.questions: int | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "rows" and self.questions is not None:
            self.questions -= 1
            if self.questions < 0:
                raise StoreError("killed")
        return getattr(self._store, name)


def ask(one: Mirror, query: str) -> Any:
    with reading(one) as cursor:
        return cursor.sql(query).to_arrow_table()


def everything(one: Mirror) -> dict[str, Any]:
    """All rows of all views, with the types of their columns."""
    answers = {view.name: ask(one, f"SELECT * FROM {view.name} ORDER BY {KEYS[view.name]}") for view in VIEWS}
    return {name: (str(one.schema), one.to_pylist()) for name, one in answers.items()}


def happen(history: Sequence[Any], store: MetadataStore, folder: Path) -> Mirror:
    """The mirror after all that."""
    seen = Flaky(store)
    one = Mirror(seen, folder)  # type: ignore[arg-type]
    for event in history:
        match event:
            case Look():
                ask(one, "SELECT count(*) FROM runs")
            case Restart():
                one = Mirror(seen, folder)  # type: ignore[arg-type]
            case Die(after):
                seen.questions = after
                try:
                    ask(one, "SELECT count(*) FROM runs")
                except StoreError:
                    one = Mirror(seen, folder)  # type: ignore[arg-type]
                seen.questions = None
            case Damage(whole):
                one.close()
                for path in folder.glob("*.duckdb"):
                    path.write_bytes(b"" if whole else b"\0" * 4096 + path.read_bytes()[4096:])
            case write:
                write(store)
    return one


def check_against_python(one: Mirror, store: MetadataStore) -> dict[str, dict[str, Any]]:
    found = {row.pop("id"): row for row in ask(one, "SELECT * FROM runs").to_pylist()}
    wanted = expected_runs(store)
    assert sorted(found) == sorted(wanted)
    for section in ("params", "metrics"):
        fields = field_names({name for run in wanted.values() for name in run[section]})
        for name, field in fields.items():
            values = as_sql([run[section].get(name) for run in wanted.values()])
            assert [_number(found[run][section][field]) for run in wanted] == values, (section, name)
        if fields:
            assert set(next(iter(found.values()))[section]) == set(fields.values())
    for run, facts in wanted.items():
        for name in set(facts) - {"params", "metrics"}:
            assert found[run][name] == facts[name], name
    runs = [one.run for one in store.changes(0).runs if not one.gone]  # also what came for a run that is not there
    for view, rows in expected_rows(store, runs).items():
        answered = [
            {name: value.timestamp() if isinstance(value, datetime) else value for name, value in row.items()}
            for row in ask(one, f"SELECT * FROM {view}").to_pylist()
        ]
        keys = KEYS[view].split(", ")
        by_key = {tuple(row[key] for key in keys): row for row in answered}
        assert len(by_key) == len(answered)
        assert by_key == {tuple(row[key] for key in keys): row for row in rows}, view
    return wanted


def _number(value: Any) -> Any:
    """Integers of more than 64 bits come as decimals."""
    return int(value) if type(value).__name__ == "Decimal" else value


@pytest.fixture(scope="module")
def mysql_store(mariadb: Server) -> Iterator[SqlMetadataStore]:
    made = store_at(mariadb.url(new_database()))
    yield made
    made.close()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories, data=st.data())
def test_views_and_conditions_agree_with_python_and_a_rebuild_says_the_same(history: list[Any], data: Any) -> None:
    folder = Path(tempfile.mkdtemp())
    store = sqlite_store(folder / "metadata.sqlite")
    try:
        one = happen(history, store, folder / "mirror")
        runs = check_against_python(one, store)
        assert everything(one) == everything(Mirror(store, folder / "anew"))
        numeric = {
            section: [
                name
                for name in {name for run in runs.values() for name in run[section]}
                if name
                and name.lower() not in ("lr", "lr_2")
                and {type(one) for one in as_sql([run[section].get(name) for run in runs.values()])}
                <= {int, float, type(None)}
                and any(one is not None for one in as_sql([run[section].get(name) for run in runs.values()]))
            ]
            for section in ("params", "metrics")
        }
        if any(numeric.values()):
            condition = data.draw(conditions(numeric))
            found = ask(one, f"SELECT id FROM runs WHERE {condition.sql}")["id"].to_pylist()
            assert set(found) == {run for run, values in runs.items() if condition.holds(values)}, condition.sql
    finally:
        store.close()
        shutil.rmtree(folder)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories)
def test_mariadb_gives_the_answers_that_sqlite_gives(history: list[Any], mysql_store: SqlMetadataStore) -> None:
    folder = Path(tempfile.mkdtemp())
    store = sqlite_store(folder / "metadata.sqlite")
    mysql_store.delete_runs([one.id for one in mysql_store.runs(RunQuery(limit=None))])
    orphans = [one.run for one in mysql_store.changes(0).runs if not one.gone]
    mysql_store.delete_runs(orphans)
    try:
        here = happen(history, store, folder / "here")
        there = happen(history, mysql_store, folder / "there")
        check_against_python(there, mysql_store)
        assert everything(here) == everything(there)
    finally:
        store.close()
        shutil.rmtree(folder)
