"""Digests: blake3, 64 hex digits."""

from __future__ import annotations

import os
from pathlib import Path

from blake3 import blake3

from zenbook.errors import DefinitionError

_known: dict[tuple[str, int, int, int], str] = {}  # (path, inode, size, mtime) → digest, of this process


def digest_of_bytes(data: bytes | memoryview) -> str:
    """blake3 of bytes, 64 hex digits."""
    return blake3(data).hexdigest()


def digest_of_text(text: str) -> str:
    """blake3 of a text in UTF-8, 64 hex digits."""
    return blake3(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_of_path(path: Path) -> str:
    """blake3 of a file's content; of a folder, of the names and contents of all files below it.

    Raises `DefinitionError` for a path at which there is nothing that can be read.
    """
    try:
        if not path.is_dir():
            return blake3().update_mmap(path).hexdigest()
        whole = blake3()
        for file in sorted(one for one in path.rglob("*") if one.is_file()):
            whole.update(f"{file.relative_to(path).as_posix()}\0{digest_of_path(file)}\n".encode())
        return whole.hexdigest()
    except OSError as error:
        raise DefinitionError(
            f"The path parameter {str(path)!r} can't be read: {error.strerror or error}.",
            "A path parameter counts by its file's content, so the file must be there when the run starts. "
            "For a path that a step writes, use a str.",
        ) from error


def digest_of_file(path: Path) -> str:
    """blake3 of a file's content, computed once for each state of the file in this process."""
    state = _state(path)
    if state not in _known:
        _known[state] = digest_of_path(path)
    return _known[state]


def remember_digest(path: Path, digest: str) -> None:
    """What this process wrote and hashed on the way it need not hash again."""
    _known[_state(path)] = digest


def _state(path: Path) -> tuple[str, int, int, int]:
    facts = os.stat(path)  # noqa: PTH116
    return str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns
