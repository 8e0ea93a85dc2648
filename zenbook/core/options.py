"""How `Step.options` and `Pipeline.options` tell an option that is left as it is from one that is set to None."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final, TypeVar

from zenbook.errors import DefinitionError, did_you_mean

T = TypeVar("T")


class Unchanged(Enum):
    """The default of an option that is left as it is."""

    UNCHANGED = "unchanged"

    def __repr__(self) -> str:
        return "<unchanged>"


UNCHANGED: Final = Unchanged.UNCHANGED


def chosen(option: T | Unchanged, current: T) -> T:
    """The new value of an option.

    Args:
        option: What the user gave.
        current: The value so far.

    Returns:
        What the user gave, or the value so far if that is to stay.
    """
    return current if isinstance(option, Unchanged) else option


def refuse_unknown(unknown: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Refuse options that do not exist.

    Args:
        unknown: The names that the user gave.
        known: The names of the options that exist.
        owner: Whose options they are, as " of step 'fit'", for the message.

    Raises:
        DefinitionError: There is an unknown option; close matches are suggested.
    """
    for option in unknown:
        raise DefinitionError(f"Unknown option {option!r}{owner}.", did_you_mean(option, known, noun="option"))
