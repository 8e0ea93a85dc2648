"""Find the step runs that made or read an artifact."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("outputs_by_digest", "outputs", ["digest", "format"])
    op.create_index("inputs_by_digest", "inputs", ["digest", "format"])
