"""Python source as a person or a formatter would lay it out: a line where it fits, else one entry a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

WIDTH = 88  # columns: what the usual formatters leave as it is, also those that allow more
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class Block:
    """Entries between brackets: ``rows=[1, 2]`` is ``Block("rows=[", ("1", "2"), "]")``."""

    opening: str
    entries: tuple[str | Block, ...]
    closing: str
    separator: str = ","

    def on_one_line(self) -> str:
        """The whole of it, without a line break."""
        return f"{self.opening}{f'{self.separator} '.join(map(_flat, self.entries))}{self.closing}"

    def after(self, prefix: str) -> Block:
        """The same, with something before it."""
        return replace(self, opening=prefix + self.opening)


def laid_out(part: str | Block, column: int = 0, *, ending: str = "") -> str:
    """The text of a part that begins at a column; its first line is not indented, ``ending`` follows it at once."""
    flat = _flat(part)
    fits = column + len(flat) + len(ending) <= WIDTH
    if isinstance(part, str) or not part.entries or (fits and part.separator):
        return flat + ending
    return one_a_line(part, column) + ending


def one_a_line(block: Block, column: int = 0) -> str:
    """The text of a block, an entry a line, even if it would fit in one."""
    inner = column + 4
    entries = (f"{' ' * inner}{laid_out(one, inner, ending=block.separator)}\n" for one in block.entries)
    return f"{block.opening}\n{''.join(entries)}{' ' * column}{block.closing}"


def literal(value: Any) -> str | Block:
    """A plain value as source; texts in double quotes unless single ones need fewer escapes."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return mapping({key: literal(one) for key, one in value.items()})
    if isinstance(value, Sequence):
        return Block("[", tuple(map(literal, value)), "]")
    return repr(value)


def mapping(entries: Mapping[str, str | Block]) -> Block:
    """A dictionary of parts."""
    pairs = ((f"{quoted(key)}: ", one) for key, one in entries.items())
    return Block("{", tuple(one.after(key) if isinstance(one, Block) else key + one for key, one in pairs), "}")


def prose(text: str) -> str | Block:
    """A text as a literal, each of its lines on a line of its own unless it is short."""
    lines = text.splitlines(keepends=True)
    return quoted(text) if len(lines) < 2 or len(text) < WIDTH else Block("(", tuple(map(quoted, lines)), ")", "")


def quoted(text: str) -> str:
    """A text as a literal. What can't be seen is escaped, so that no reader is misled."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    escapes = {**_ESCAPES, mark: f"\\{mark}"}
    return f"{mark}{''.join(escapes.get(one) or escaped(one) for one in text)}{mark}"


def escaped(character: str) -> str:
    """A character that can be seen, or its number."""
    code = ord(character)
    if character.isprintable():
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _flat(part: str | Block) -> str:
    return part if isinstance(part, str) else part.on_one_line()
