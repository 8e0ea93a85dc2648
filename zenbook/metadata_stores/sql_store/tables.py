"""The tables of the SQL metadata store.

MySQL 5.6 sets the limits: an indexed key holds 191 characters of utf8mb4, so run ids have at most 24, step names 100
and other names 64; it has neither JSON columns nor common table expressions. Long texts come last in a table, since
SQLite reads a row from its start, so it does not read a plan that a list doesn't show.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from zenbook.stack.records import (
    ArtifactRecord,
    CodeRecord,
    EnvironmentRecord,
    InputRecord,
    LogRecord,
    MarkRecord,
    MetricRecord,
    OutputRecord,
    ParamRecord,
    RunRecord,
    StepRecord,
)


class LongText(TypeDecorator[str]):
    """A text without a limit: MySQL's TEXT ends at 64 KiB."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type in a dialect; SQLAlchemy calls this. MySQL's dialect takes 10 ms to import.

        Args:
            dialect: Of the database.

        Returns:
            LONGTEXT for MySQL, otherwise TEXT.
        """
        if dialect.name not in ("mysql", "mariadb"):
            return dialect.type_descriptor(Text())
        from sqlalchemy.dialects.mysql import LONGTEXT

        return dialect.type_descriptor(LONGTEXT())


class Name(TypeDecorator[str]):
    """A short text that sorts by its characters' numbers, as MySQL's utf8mb4_bin does and SQLite by default.

    PostgreSQL would sort by the rules of the database's language, and not use an index to find a prefix.

    Args:
        length: How many characters a column holds.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type in a dialect; SQLAlchemy calls this.

        Args:
            dialect: Of the database.

        Returns:
            VARCHAR, for PostgreSQL with its collation C.
        """
        collation = "C" if dialect.name == "postgresql" else None
        return dialect.type_descriptor(String(self.length, collation=collation))


metadata = MetaData()


def _table(name: str, *columns: Column[Any] | Index, clustered: bool) -> Table:
    """A table; ``clustered`` stores the rows in their key's B-tree, which suits short rows (MySQL always does it)."""
    return Table(
        name,
        metadata,
        *columns,
        sqlite_with_rowid=not clustered,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


def _key(name: str, type_: TypeEngine[Any]) -> Column[Any]:
    return Column(name, type_, primary_key=True, nullable=False, autoincrement=False)


def _value(name: str, type_: TypeEngine[Any]) -> Column[Any]:
    return Column(name, type_, nullable=False)


def _nullable(name: str, type_: TypeEngine[Any]) -> Column[Any]:
    return Column(name, type_, nullable=True)


RUN_ID, STEP_NAME, NAME, DIGEST = Name(24), Name(100), Name(64), Name(64)

runs = _table(
    "runs",
    _key("id", RUN_ID),
    _value("pipeline", Name(100)),
    _value("stack", Name(100)),
    _value("state", Name(16)),
    _value("created_at", Double()),
    _nullable("started_at", Double()),
    _nullable("ended_at", Double()),
    _value("host", Name(255)),
    _value("user", Name(255)),
    _value("process", Name(64)),
    _value("orchestrator", Name(64)),
    _value("environment", DIGEST),
    _value("kind", Name(16)),
    _value("error", LongText()),
    _value("plan", LongText()),
    Index("runs_by_pipeline", "pipeline", "id"),
    clustered=False,
)

steps = _table(
    "steps",
    _key("run", RUN_ID),
    _key("name", STEP_NAME),
    _value("position", Integer()),
    _value("state", Name(16)),
    _value("fingerprint", DIGEST),
    _value("capsule", DIGEST),
    _value("cache_key", DIGEST),
    _value("attempt", Integer()),
    _nullable("started_at", Double()),
    _nullable("ended_at", Double()),
    _value("cached_from", RUN_ID),
    _value("random_in", Name(255)),
    _value("why", LongText()),
    _value("notes", LongText()),
    _value("error", LongText()),
    _value("traceback", LongText()),
    # State and run make the newest succeeded one the first entry, however often the step came from the cache.
    Index("steps_by_cache_key", "cache_key", "state", "run"),
    clustered=False,
)

artifacts = _table(
    "artifacts",
    _key("digest", DIGEST),
    _key("format", NAME),
    _value("address", Name(255)),
    _value("size", BigInteger()),
    _value("created_at", Double()),
    clustered=True,
)

outputs = _table(
    "outputs",
    _key("run", RUN_ID),
    _key("step", STEP_NAME),
    _key("name", NAME),
    _value("digest", DIGEST),
    _value("format", NAME),
    _value("member", NAME),
    _value("type", Name(255)),
    _value("note", LongText()),
    _value("preview", LongText()),
    Index("outputs_by_digest", "digest", "format"),
    clustered=True,
)

inputs = _table(
    "inputs",
    _key("run", RUN_ID),
    _key("step", STEP_NAME),
    _key("name", NAME),
    _value("source_step", STEP_NAME),
    _value("source_output", NAME),
    _value("digest", DIGEST),
    _value("format", NAME),
    _value("member", NAME),
    Index("inputs_by_digest", "digest", "format"),
    clustered=True,
)

params = _table(
    "params",
    _key("run", RUN_ID),
    _key("step", STEP_NAME),
    _key("name", NAME),
    _value("content", DIGEST),
    _value("value", LongText()),
    clustered=True,
)

metrics = _table(
    "metrics",
    _key("run", RUN_ID),
    _key("step", STEP_NAME),
    _key("name", NAME),
    _key("n", Integer()),
    _nullable("value", Double()),  # NULL is not-a-number, which neither SQLite nor MySQL can hold
    _value("at", Double()),
    _nullable("index", BigInteger()),
    clustered=True,
)

logs = _table(
    "logs",
    _key("run", RUN_ID),
    _key("step", STEP_NAME),
    _key("n", Integer()),
    _value("at", Double()),
    _value("stream", Name(16)),
    _value("text", LongText()),
    clustered=True,
)

marks = _table(
    "marks",
    _key("run", RUN_ID),
    _key("kind", Name(16)),
    _key("name", NAME),
    _value("at", Double()),
    _value("text", LongText()),
    clustered=True,
)

# On a server each transaction that changes a run adds 1 to the clock, as the last thing before it gives the run that
# revision and commits. The clock's row stays locked until the commit, so revisions are committed in their order, and
# none is seen before a lower one: a reader who remembers the highest that it saw misses nothing. A
# transaction that holds the clock waits for no other (only its holder writes after that), so it can't be part of a
# deadlock. SQLite lets
# one transaction write at a time, which is the same: there the revision is one more than the highest.
clock = _table("clock", _key("store", NAME), _value("revision", BigInteger()), clustered=True)

changes = _table(
    "changes",
    _key("run", RUN_ID),
    _value("revision", BigInteger()),
    _value("gone", Integer()),  # 1 for a run that was deleted
    Index("changes_by_revision", "revision"),
    clustered=True,
)

code = _table("code", _key("digest", DIGEST), _value("capsule", LongText()), clustered=False)

environments = _table("environments", _key("digest", DIGEST), _value("description", LongText()), clustered=False)


version = Table(  # as Alembic makes its own
    "zenbook_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="zenbook_version_pkc"),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
)

RECORDS: dict[Table, type[Any]] = {
    runs: RunRecord,
    steps: StepRecord,
    artifacts: ArtifactRecord,
    outputs: OutputRecord,
    inputs: InputRecord,
    params: ParamRecord,
    metrics: MetricRecord,
    logs: LogRecord,
    marks: MarkRecord,
    code: CodeRecord,
    environments: EnvironmentRecord,
}
