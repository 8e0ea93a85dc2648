"""All SQL statements of the metadata store, compiled for a dialect.

They are the source of what is shipped for SQLite. After a change of statements or tables, write that file again:
``python -m zenbook.metadata_stores.sql_store.statements``.
"""

from __future__ import annotations

import json
from typing import cast

from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement
from sqlalchemy.sql.compiler import SQLCompiler

from zenbook.metadata_stores.sql_store.compiled_statements import (
    SHIPPED,
    CompiledStatements,
    PreparedStatement,
    StatementName,
)
from zenbook.metadata_stores.sql_store.read_statements import READ_STATEMENTS
from zenbook.metadata_stores.sql_store.tables import Name, metadata, outputs, runs, version
from zenbook.metadata_stores.sql_store.write_statements import write_statements

DESCRIPTIVE = ("host", "user", "process", "stack", "orchestrator", "pipeline", "type")  # columns
WRITTEN_TABLES = {StatementName.PUT_RUN: runs, StatementName.PUT_OUTPUT: outputs}


def compile_statements(dialect: Dialect) -> CompiledStatements:
    """All statements in a dialect's own SQL, and those that create the tables.

    Args:
        dialect: SQLAlchemy's.

    Returns:
        What a database of that kind executes.
    """
    tables = [*metadata.sorted_tables, version]
    elements: list[DDLElement] = []
    for table in tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        elements += [CreateTable(table), *map(CreateIndex, indexes)]
    schema = [str(element.compile(dialect=dialect)).strip() for element in elements]
    statements = {name: _prepare(element, dialect) for name, element in statements_for(dialect.name).items()}
    return CompiledStatements(tuple(schema), tuple(table.name for table in tables), statements)


def statements_for(dialect: str) -> dict[StatementName, ClauseElement]:
    """All statements.

    Args:
        dialect: SQLAlchemy's name of it.

    Returns:
        Statements by name.
    """
    return {**READ_STATEMENTS, **write_statements(dialect)}


def widths_of(name: StatementName) -> dict[str, int]:
    """The widths of the descriptive columns that a statement sets; longer texts are truncated.

    Args:
        name: Of the statement.

    Returns:
        Numbers of characters by column.
    """
    table = WRITTEN_TABLES.get(name)
    if table is None:
        return {}
    types = {column.name: column.type for column in table.columns if column.name in DESCRIPTIVE}
    return {column: type_.length for column, type_ in types.items() if isinstance(type_, Name)}


def shipped_text() -> str:
    """The correct content of the file of SQLite's statements."""
    from sqlalchemy.dialects import sqlite

    return json.dumps(compile_statements(sqlite.dialect()).to_json(), indent=1, ensure_ascii=False) + "\n"


def _prepare(element: ClauseElement, dialect: Dialect) -> PreparedStatement:
    compiled = cast(SQLCompiler, element.compile(dialect=dialect))
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    placeholder = {"qmark": "?", "format": "%s"}[dialect.paramstyle]
    return PreparedStatement(str(compiled), tuple(compiled.positiontup or ()), constants, placeholder)


if __name__ == "__main__":
    SHIPPED.write_text(shipped_text(), encoding="utf-8")
