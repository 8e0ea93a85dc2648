"""The analytical mirror: the metadata store's rows in DuckDB, where questions over all runs take milliseconds.

It is never the only copy of anything, and may be deleted at any time.
"""

from zenbook.history.sql.mirror.mirror import Mirror, mirror_of

__all__ = ["Mirror", "mirror_of"]
