"""Write a text file as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(file: Path, text: str, *, owner_only: bool = True, flush_to_disk: bool = False) -> None:
    """Write a text file so that a reader, at any moment, sees the old content or the new one.

    Args:
        file: The file; its folder must exist.
        text: The new content, written as UTF-8.
        owner_only: Whether only the owner may read the file; otherwise the usual permissions apply.
        flush_to_disk: Whether the content must be on the disk when the function returns.
    """
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-", suffix=".tmp")  # owner only
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            if flush_to_disk:
                stream.flush()
                os.fsync(stream.fileno())
        if not owner_only:
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
