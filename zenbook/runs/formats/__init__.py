"""How values become files and come back."""

from zenbook.runs.formats.base import Format, Source, Writer
from zenbook.runs.formats.by_source import source_digest
from zenbook.runs.formats.memory import BytesSource, MappedFile
from zenbook.runs.formats.pickled import BundleFormat
from zenbook.runs.formats.registry import format_for, format_named, register_format
from zenbook.runs.formats.sharing import groups_of_shared

__all__ = [
    "BundleFormat",
    "BytesSource",
    "Format",
    "MappedFile",
    "Source",
    "Writer",
    "format_for",
    "format_named",
    "groups_of_shared",
    "register_format",
    "source_digest",
]
