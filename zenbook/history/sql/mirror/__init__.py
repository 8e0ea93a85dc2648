"""The mirror: the metadata store's rows in DuckDB, where queries over all runs take milliseconds.

The mirror holds nothing that the metadata store lacks, so it may be deleted at any time.
"""

from zenbook.history.sql.mirror.mirror import Mirror, mirror_of

__all__ = ["Mirror", "mirror_of"]
