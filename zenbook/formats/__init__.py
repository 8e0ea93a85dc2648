"""How values become files and come back."""

from zenbook.core.live_definitions import source_digest
from zenbook.formats.byte_sources import BytesSource, MappedFile
from zenbook.formats.format import Format, Source, Writer
from zenbook.formats.pickled import BundleFormat
from zenbook.formats.registry import format_for, format_named, register_format
from zenbook.formats.shared_references import groups_of_shared

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
