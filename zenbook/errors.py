"""One family of errors: a sentence that says what is wrong, a hint that says what to do."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterable


class ZenbookError(Exception):
    """A user's mistake or a failed component, told in one sentence and a way out.

    ``message`` says what is wrong, ``hint`` what to do about it (may be empty).
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
        """Show the sentence, the hint and what was added: IPython asks this of an exception."""
        notes = getattr(self, "__notes__", ())
        return [f"{type(self).__name__}: {self.message}", *([self.hint] if self.hint else []), *notes]


class ZenbookWarning(UserWarning):
    """Something that the user should know, though what they asked for goes on."""


def show_warnings_plainly() -> Callable[[], None]:
    """From now on show a `ZenbookWarning` as one line, without the place in the code; gives what undoes it."""
    before = warnings.formatwarning

    def plain(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if issubclass(category, ZenbookWarning):
            return f"zenbook: {message}\n"
        return before(message, category, filename, lineno, line)

    warnings.formatwarning = plain

    def undo() -> None:
        if warnings.formatwarning is plain:
            warnings.formatwarning = before

    return undo


class DefinitionError(ZenbookError):
    """A function or a cell that can't be a step, or options that a step doesn't have."""


class WiringError(ZenbookError):
    """A pipeline that connects its steps in a way that can't run."""


class CaptureError(ZenbookError):
    """Something that a step needs and that can't travel to another process."""


class FormatError(ZenbookError):
    """A value that can't be stored, or stored bytes that can't become a value."""


class ArtifactError(ZenbookError):
    """An artifact that is missing, or whose bytes are not those that were recorded."""


class StoreError(ZenbookError):
    """A store that can't be opened, read or written."""


class StoreUnreachableError(StoreError):
    """A store that can't be reached for now: what was to be written can be written later."""


class StackError(ZenbookError):
    """A stack or a component that is unknown, incomplete or can't be set up."""


class RunError(ZenbookError):
    """A run that can't be started, found or continued."""


class QueryError(ZenbookError):
    """A query in SQL that can't be understood, asks for what there is not, or may not do what it wants."""


class StepTimeoutError(ZenbookError):
    """A step that took longer than its ``timeout``."""


def close_matches(name: str, known: Iterable[str], *, prefix: str = "") -> list[str]:
    """At most 3 names like a misspelt one, the closest first, without regard to case.

    They are those of `difflib.get_close_matches`, by what follows a ``prefix`` that all share: it makes none closer.
    """
    folded = {str(one).casefold().removeprefix(prefix.casefold()): str(one) for one in known}
    wanted = name.casefold().removeprefix(prefix.casefold())
    return [folded[one] for one in difflib.get_close_matches(wanted, folded, n=3, cutoff=0.6)]


def did_you_mean(name: str, known: Iterable[str], *, noun: str = "", plural: str = "", prefix: str = "") -> str:
    """The `close_matches` of a misspelt name as a sentence, else all that is known."""
    names = sorted({str(one) for one in known})
    close = close_matches(name, names, prefix=prefix)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    if not names:
        return f"There are no {plural or noun + 's'} yet." if noun or plural else ""
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known {plural or noun + 's'}: {shown}." if noun or plural else f"Known: {shown}."
