"""Stored bytes to read from: a file on this machine, or bytes in memory."""

from __future__ import annotations

import io
import mmap
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_SMALL = 64 * 1024  # bytes; below this a copy is quicker than a map, and costs no file descriptor


@dataclass(frozen=True, slots=True)
class MappedFile:
    """An artifact that is a local file.

    The file is never changed through the map, and must not be changed by others while a map of it lives.
    """

    path: Path

    @property
    def name(self) -> str:
        """The file's name, for error messages."""
        return self.path.name

    def open(self) -> BinaryIO:
        """A new binary file at the start of the bytes; the caller closes it."""
        return self.path.open("rb")

    def map(self) -> memoryview:
        """The bytes as a writable copy-on-write memory map; a small file is read into memory instead."""
        with self.path.open("rb", buffering=0) as file:
            size = file.seek(0, io.SEEK_END)
            if size <= _SMALL:
                file.seek(0)
                return memoryview(bytearray(file.read()))
            # Without trackfd=False each live map would keep a file descriptor open.
            if sys.version_info >= (3, 13):
                return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY, trackfd=False))
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY))


@dataclass(frozen=True, slots=True)
class BytesSource:
    """An artifact that is in memory already."""

    data: bytes
    name: str = "bytes in memory"

    def open(self) -> BinaryIO:
        """A new binary file at the start of the bytes."""
        return io.BytesIO(self.data)

    def map(self) -> memoryview:
        """A writable copy of the bytes."""
        return memoryview(bytearray(self.data))
