"""Digests: blake3, 64 hex digits."""

from __future__ import annotations

import os
from pathlib import Path

from blake3 import blake3

from zenbook.errors import DefinitionError

_known: dict[tuple[str, int, int, int], str] = {}  # (path, inode, size, mtime) → digest, of this process


def digest_of_bytes(data: bytes | memoryview) -> str:
    """Compute the blake3 digest of bytes.

    Args:
        data: The bytes.

    Returns:
        64 hex digits.
    """
    return blake3(data).hexdigest()


def digest_of_text(text: str) -> str:
    """Compute the blake3 digest of a text in UTF-8.

    Args:
        text: The text.

    Returns:
        64 hex digits.
    """
    return blake3(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_of_path(path: Path) -> str:
    """Compute the blake3 digest of a file's content, or of the names and contents of all files in a folder.

    Args:
        path: A file or folder.

    Returns:
        64 hex digits.

    Raises:
        DefinitionError: The file or folder cannot be read.
    """
    try:
        if not path.is_dir():
            return blake3().update_mmap(path).hexdigest()
        whole = blake3()
        for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
            whole.update(f"{file.relative_to(path).as_posix()}\0{digest_of_path(file)}\n".encode())
        return whole.hexdigest()
    except OSError as error:
        raise DefinitionError(
            f"The path parameter {str(path)!r} cannot be read: {error.strerror or error}.",
            "The cache key depends on the file's content, so the file must exist when the run starts. "
            "For a path that a step writes, use a str.",
        ) from error


def digest_of_file(path: Path) -> str:
    """Compute the blake3 digest of a file's content, once for each state of the file in this process.

    Args:
        path: The file.

    Returns:
        64 hex digits.
    """
    state = _state(path)
    if state not in _known:
        _known[state] = digest_of_path(path)
    return _known[state]


def remember_digest(path: Path, digest: str) -> None:
    """Remember the digest of a file that this process has written, so that it is not computed again.

    Args:
        path: The file.
        digest: 64 hex digits.
    """
    _known[_state(path)] = digest


def _state(path: Path) -> tuple[str, int, int, int]:
    facts = os.stat(path)  # noqa: PTH116
    return str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns
