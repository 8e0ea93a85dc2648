"""What users put on runs: tags, a note, a star."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from zenbook.errors import RunError
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import MarkRecord

TAG, NOTE, STAR = "tag", "note", "star"
LONGEST = 64  # characters of a tag


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one run."""

    tags: tuple[str, ...] = ()
    note: str = ""
    starred: bool = False


def marks_of(store: MetadataStore, run: str) -> Marks:
    """What is on a run."""
    found = store.marks([run])
    return Marks(
        tags=tuple(sorted(one.name for one in found if one.kind == TAG)),
        note=next((one.text for one in found if one.kind == NOTE), ""),
        starred=any(one.kind == STAR for one in found),
    )


def put_tags(store: MetadataStore, run: str, tags: Sequence[str]) -> None:
    """Put tags on a run. Raises `RunError` for one that is empty or too long."""
    store.put_marks([_mark(run, TAG, _checked(tag)) for tag in tags])


def drop_tags(store: MetadataStore, run: str, tags: Sequence[str]) -> None:
    """Take tags off a run. Raises `RunError` for one that it hasn't."""
    here = marks_of(store, run).tags
    for tag in tags:
        if tag not in here:
            raise RunError(f"Run {run} has no tag {tag!r}.", f"It has {', '.join(here) or 'none'}.")
    store.drop_marks([_mark(run, TAG, tag) for tag in tags])


def put_note(store: MetadataStore, run: str, text: str) -> None:
    """Replace a run's note; an empty one takes it away."""
    if text:
        store.put_marks([_mark(run, NOTE, text=text)])
    else:
        store.drop_marks([_mark(run, NOTE)])


def put_star(store: MetadataStore, run: str) -> None:
    """Give a run a star."""
    store.put_marks([_mark(run, STAR)])


def drop_star(store: MetadataStore, run: str) -> None:
    """Take a run's star away."""
    store.drop_marks([_mark(run, STAR)])


def _mark(run: str, kind: str, name: str = "", text: str = "") -> MarkRecord:
    return MarkRecord(run, kind, name, time.time(), text)


def _checked(tag: str) -> str:
    if not tag.strip() or len(tag) > LONGEST or not tag.isprintable():
        raise RunError(f"{tag!r} is not a valid tag.", f"A tag is 1 to {LONGEST} characters in one line.")
    return tag
