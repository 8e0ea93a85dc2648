"""The last lines that a step printed, kept in memory so that a panel need not ask the store for each look."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

LIMIT = 256 * 1024  # characters that are kept of each step


@dataclass(slots=True)
class LogTail:
    """Pieces of text with the number of the line in which each begins; numbers count from 0."""

    pieces: deque[tuple[int, str]] = field(default_factory=deque)
    size: int = 0
    ends: int = 0  # line ends so far
    unfinished: bool = False  # the last line has no end yet

    @property
    def lines(self) -> int:
        """How many lines there are, with one that is not finished."""
        return self.ends + self.unfinished

    def add(self, text: str) -> None:
        """Append what was printed."""
        if not text:
            return
        self.pieces.append((self.ends, text))
        self.size += len(text)
        self.ends += text.count("\n")
        self.unfinished = not text.endswith("\n")
        while self.size > LIMIT and len(self.pieces) > 1:
            self.size -= len(self.pieces.popleft()[1])

    def last(self, count: int, most: int) -> str:
        """The last lines, of at most ``most`` characters."""
        parts: list[str] = []
        room = most
        for _, text in reversed(self.pieces):
            parts.append(text[-room:])
            room -= len(text)
            if room <= 0 or sum(one.count("\n") for one in parts) > count:
                break
        return "\n".join("".join(reversed(parts)).rstrip("\n").split("\n")[-count:])

    def between(self, first: int, end: int) -> str | None:
        """Lines ``first`` to ``end`` (exclusive), or None where they are not kept any more."""
        if not self.pieces or first < self.pieces[0][0] or (first == self.pieces[0][0] and first):
            return "" if first >= self.lines else None
        start = self.pieces[0][0]
        wanted = [text for begins, text in self.pieces if begins < end]
        return cut_lines("".join(wanted), first - start, end - start)


def cut_lines(text: str, first: int, end: int) -> str:
    """Lines ``first`` to ``end`` of a text, each with its end."""
    return "".join(text.splitlines(keepends=True)[first:end]) if "\r" not in text else _cut(text, first, end)


def _cut(text: str, first: int, end: int) -> str:
    lines = text.split("\n")  # a carriage return is no line end here
    kept = "\n".join(lines[first:end])
    return kept + "\n" if end < len(lines) else kept
