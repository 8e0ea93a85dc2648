"""The last lines that each step printed, kept in memory so that a panel need not read the store for each look."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TypedDict

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
        """Append what was printed.

        Args:
            text: A piece of any length, with or without line ends.
        """
        if not text:
            return
        self.pieces.append((self.ends, text))
        self.size += len(text)
        self.ends += text.count("\n")
        self.unfinished = not text.endswith("\n")
        while self.size > LIMIT and len(self.pieces) > 1:
            self.size -= len(self.pieces.popleft()[1])

    def last(self, count: int, most: int) -> str:
        """The last lines.

        Args:
            count: How many lines.
            most: How many characters at most.

        Returns:
            The lines without the end of the last one.
        """
        parts: list[str] = []
        room = most
        for _, text in reversed(self.pieces):
            parts.append(text[-room:])
            room -= len(text)
            if room <= 0 or sum(part.count("\n") for part in parts) > count:
                break
        return "\n".join("".join(reversed(parts)).rstrip("\n").split("\n")[-count:])

    def between(self, first: int, end: int) -> str | None:
        """Some of the lines.

        Args:
            first: The number of the first line, from 0.
            end: The number after that of the last line.

        Returns:
            The lines, each with its end; None if the first of them is not kept any more.
        """
        if not self.pieces or first < self.pieces[0][0] or (first == self.pieces[0][0] and first):
            return "" if first >= self.lines else None
        start = self.pieces[0][0]
        pieces = [text for begins, text in self.pieces if begins < end]
        return cut_lines("".join(pieces), first - start, end - start)


class LogLines(TypedDict):
    """Some lines of a step's log."""

    first: int  # the number of the first line, from 0
    total: int  # of the whole log
    text: str | None  # None where the lines are not kept


class LogTails:
    """The tails of all steps of a run. Threads of the run add to it while the page's requests read it."""

    def __init__(self) -> None:
        self.last_step = ""  # the step that printed last
        self._tails: dict[str, LogTail] = {}
        self._lock = threading.Lock()

    def add(self, step: str, text: str) -> None:
        """Append what a step printed.

        Args:
            step: The step's name.
            text: A piece of any length.
        """
        with self._lock:
            self.last_step = step
            self._tails.setdefault(step, LogTail()).add(text)

    def end_of(self, step: str, count: int, most: int) -> tuple[int, str]:
        """The end of a step's log.

        Args:
            step: The step's name.
            count: How many lines.
            most: How many characters at most.

        Returns:
            How many lines the step has printed, and the last of them.
        """
        with self._lock:
            tail = self._tails.get(step, LogTail())
            return tail.lines, tail.last(count, most)

    def lines_of(self, step: str, first: int | None, count: int) -> LogLines:
        """Some lines of a step's log.

        Args:
            step: The step's name.
            first: The number of the first line, from 0; None for the last lines.
            count: How many lines at most.

        Returns:
            The lines, as far as they are kept.
        """
        with self._lock:
            tail = self._tails.get(step, LogTail())
            start = max(0, tail.lines - count) if first is None else max(0, first)
            return {"first": start, "total": tail.lines, "text": tail.between(start, start + count)}


def cut_lines(text: str, first: int, end: int) -> str:
    """Cut lines out of a text.

    Args:
        text: Lines with their ends.
        first: The number of the first line, from 0.
        end: The number after that of the last line.

    Returns:
        The lines, each with its end.
    """
    return "".join(text.splitlines(keepends=True)[first:end]) if "\r" not in text else _cut(text, first, end)


def _cut(text: str, first: int, end: int) -> str:
    lines = text.split("\n")  # a carriage return is no line end here
    rest = "\n".join(lines[first:end])
    return rest + "\n" if end < len(lines) else rest
