"""Find the step runs that produced or read an artifact."""

from __future__ import annotations

from zenbook.metadata_stores.migrations.idempotent import create_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the indexes."""
    create_index("outputs_by_digest", "outputs", ["digest", "format"])
    create_index("inputs_by_digest", "inputs", ["digest", "format"])
