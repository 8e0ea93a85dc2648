"""Write Python source as a formatter does: on one line if it fits, otherwise one entry per line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

WIDTH = 88  # columns; formatters that allow longer lines leave such lines as they are
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class Block:
    """Entries between brackets: ``rows=[1, 2]`` is ``Block("rows=[", ("1", "2"), "]")``."""

    opening: str
    entries: tuple[str | Block, ...]
    closing: str
    separator: str = ","

    def on_one_line(self) -> str:
        """The source without line breaks."""
        return f"{self.opening}{f'{self.separator} '.join(map(_flat, self.entries))}{self.closing}"

    def after(self, prefix: str) -> Block:
        """Put something before the block.

        Args:
            prefix: What is put before the opening bracket.

        Returns:
            The new block.
        """
        return replace(self, opening=prefix + self.opening)


def format_part(part: str | Block, column: int = 0, *, ending: str = "") -> str:
    """Write a part of a statement.

    Args:
        part: The part.
        column: The column at which the part begins; its first line is not indented.
        ending: What follows the part on its last line.

    Returns:
        The source.
    """
    flat = _flat(part)
    fits = column + len(flat) + len(ending) <= WIDTH
    if isinstance(part, str) or not part.entries or (fits and part.separator):
        return flat + ending
    return format_multiline(part, column) + ending


def format_multiline(block: Block, column: int = 0) -> str:
    """Write a block with one entry per line, even if it fits on one line.

    Args:
        block: The block.
        column: The column at which the block begins; its first line is not indented.

    Returns:
        The source.
    """
    inner = column + 4
    entries = (f"{' ' * inner}{format_part(entry, inner, ending=block.separator)}\n" for entry in block.entries)
    return f"{block.opening}\n{''.join(entries)}{' ' * column}{block.closing}"


def literal(value: Any) -> str | Block:
    """Write a plain value.

    Args:
        value: None, a bool, a number, a text, or a list or dictionary of such values.

    Returns:
        The source, as a block if it is a list or a dictionary.
    """
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, Mapping):
        return dict_block({key: literal(entry) for key, entry in value.items()})
    if isinstance(value, Sequence):
        return Block("[", tuple(map(literal, value)), "]")
    return repr(value)


def dict_block(entries: Mapping[str, str | Block]) -> Block:
    """Write a dictionary.

    Args:
        entries: The values' sources by key.

    Returns:
        The source as a block.
    """
    pairs = ((f"{quote(key)}: ", part) for key, part in entries.items())
    return Block("{", tuple(part.after(key) if isinstance(part, Block) else key + part for key, part in pairs), "}")


def text_literal(text: str) -> str | Block:
    """Write a text that may have many lines.

    Args:
        text: The text.

    Returns:
        A literal; for a long text a block with one line of the text per line.
    """
    lines = text.splitlines(keepends=True)
    return quote(text) if len(lines) < 2 or len(text) < WIDTH else Block("(", tuple(map(quote, lines)), ")", "")


def quote(text: str) -> str:
    """Write a text as a literal, in double quotes unless single ones need fewer escapes.

    Args:
        text: The text. Invisible characters in it are escaped, so that they do not mislead readers.

    Returns:
        The literal.
    """
    mark = "'" if text.count('"') > text.count("'") else '"'
    escapes = {**_ESCAPES, mark: f"\\{mark}"}
    return f"{mark}{''.join(escapes.get(character) or escape(character) for character in text)}{mark}"


def escape(character: str) -> str:
    """Escape a character unless it is visible.

    Args:
        character: One character.

    Returns:
        The character or its escape sequence.
    """
    code = ord(character)
    if character.isprintable():
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _flat(part: str | Block) -> str:
    return part if isinstance(part, str) else part.on_one_line()
