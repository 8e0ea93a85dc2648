"""One family of errors: a sentence that says what is wrong, a hint that says what to do."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterable


class ZenbookError(Exception):
    """A user's mistake or a failed component.

    Args:
        message: what is wrong, in one sentence.
        hint: what to do about it; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.hint)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows for the exception, instead of a traceback."""
        notes = getattr(self, "__notes__", ())
        return [f"{type(self).__name__}: {self.message}", *([self.hint] if self.hint else []), *notes]


class ZenbookWarning(UserWarning):
    """Something that the user should know, although what they asked for is done."""


def show_short_warnings() -> Callable[[], None]:
    """From now on show each `ZenbookWarning` as one line, without the place in the code.

    Returns:
        A function that restores how warnings were shown before.
    """
    before = warnings.formatwarning

    def format_warning(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if issubclass(category, ZenbookWarning):
            return f"zenbook: {message}\n"
        return before(message, category, filename, lineno, line)

    warnings.formatwarning = format_warning

    def undo() -> None:
        if warnings.formatwarning is format_warning:
            warnings.formatwarning = before

    return undo


class DefinitionError(ZenbookError):
    """A function or a cell cannot become a step, or an option of a step does not exist."""


class WiringError(ZenbookError):
    """A pipeline connects its steps in a way that cannot run."""


class CaptureError(ZenbookError):
    """A step needs something that cannot be sent to another process."""


class FormatError(ZenbookError):
    """A value cannot be stored, or stored bytes cannot be read as a value."""


class ArtifactError(ZenbookError):
    """An artifact is missing, or its bytes are not those that were recorded."""


class StoreError(ZenbookError):
    """A store cannot be opened, read or written."""


class StoreUnreachableError(StoreError):
    """A store cannot be reached now; what was to be written can be written later."""


class StackError(ZenbookError):
    """A stack or a component is unknown, incomplete or cannot be set up."""


class RunError(ZenbookError):
    """A run cannot be started, found or continued, or one of its steps failed."""


class QueryError(ZenbookError):
    """An SQL query is invalid, names something that does not exist, or does something that is not allowed."""


class StepTimeoutError(ZenbookError):
    """A step took longer than its ``timeout``."""


def close_matches(name: str, known: Iterable[str], *, prefix: str = "") -> list[str]:
    """The known names that are most like a misspelt one, without regard to case.

    They are those of `difflib.get_close_matches`.

    Args:
        name: the misspelt name.
        known: the names that exist.
        prefix: what all names begin with, such as ``--``; it is left out when they are compared.

    Returns:
        At most 3 names, the closest first.
    """
    by_stem = {_stem(known_name, prefix): str(known_name) for known_name in known}
    close = difflib.get_close_matches(_stem(name, prefix), by_stem, n=3, cutoff=0.6)
    return [by_stem[stem] for stem in close]


def _stem(name: str, prefix: str) -> str:
    return str(name).casefold().removeprefix(prefix.casefold())


def did_you_mean(name: str, known: Iterable[str], *, noun: str = "", plural: str = "", prefix: str = "") -> str:
    """A hint for a misspelt name: its `close_matches`, or all known names if none is close.

    Args:
        name: the misspelt name.
        known: the names that exist.
        noun: what the names are names of, such as "step".
        plural: the plural of ``noun``, unless it is made with an s.
        prefix: what all names begin with, such as ``--``.

    Returns:
        A sentence; "" without a known name and a noun.
    """
    names = sorted({str(known_name) for known_name in known})
    nouns = plural or (f"{noun}s" if noun else "")
    close = close_matches(name, names, prefix=prefix)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    if not names:
        return f"There are no {nouns} yet." if nouns else ""
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known {nouns}: {shown}." if nouns else f"Known: {shown}."
