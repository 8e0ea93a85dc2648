"""What users add to runs: tags, a note, a star."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from zenbook.errors import RunError
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.records import MarkRecord

TAG, NOTE, STAR = "tag", "note", "star"
MAX_TAG = 64  # characters


@dataclass(frozen=True, slots=True)
class Marks:
    """The tags, the note and the star of one run."""

    tags: tuple[str, ...] = ()
    note: str = ""
    starred: bool = False


def read_marks(store: MetadataStore, run: str) -> Marks:
    """Read the marks of a run.

    Args:
        store: The store that holds the run.
        run: The run's id.

    Returns:
        Its tags (sorted), its note, and whether it has a star.
    """
    records = store.marks([run])
    return Marks(
        tags=tuple(sorted(record.name for record in records if record.kind == TAG)),
        note=next((record.text for record in records if record.kind == NOTE), ""),
        starred=any(record.kind == STAR for record in records),
    )


def add_tags(store: MetadataStore, run: str, tags: Sequence[str]) -> None:
    """Add tags to a run. An invalid tag raises `RunError`.

    Args:
        store: The store that holds the run.
        run: The run's id.
        tags: Each 1 to 64 printable characters.
    """
    store.put_marks([_mark(run, TAG, _checked(tag)) for tag in tags])


def remove_tags(store: MetadataStore, run: str, tags: Sequence[str]) -> None:
    """Remove tags from a run.

    Args:
        store: The store that holds the run.
        run: The run's id.
        tags: The tags.

    Raises:
        RunError: If the run does not have one of the tags; then none is removed.
    """
    present = read_marks(store, run).tags
    for tag in tags:
        if tag not in present:
            raise RunError(f"Run {run} has no tag {tag!r}.", f"It has {', '.join(present) or 'none'}.")
    store.drop_marks([_mark(run, TAG, tag) for tag in tags])


def set_note(store: MetadataStore, run: str, text: str) -> None:
    """Replace the note of a run.

    Args:
        store: The store that holds the run.
        run: The run's id.
        text: The new note; an empty text removes the note.
    """
    if text:
        store.put_marks([_mark(run, NOTE, text=text)])
    else:
        store.drop_marks([_mark(run, NOTE)])


def add_star(store: MetadataStore, run: str) -> None:
    """Give a run a star.

    Args:
        store: The store that holds the run.
        run: The run's id.
    """
    store.put_marks([_mark(run, STAR)])


def remove_star(store: MetadataStore, run: str) -> None:
    """Remove the star of a run.

    Args:
        store: The store that holds the run.
        run: The run's id.
    """
    store.drop_marks([_mark(run, STAR)])


def _mark(run: str, kind: str, name: str = "", text: str = "") -> MarkRecord:
    return MarkRecord(run, kind, name, time.time(), text)


def _checked(tag: str) -> str:
    if not tag.strip() or len(tag) > MAX_TAG or not tag.isprintable():
        raise RunError(f"{tag!r} is not a valid tag.", f"A tag has 1 to {MAX_TAG} characters in one line.")
    return tag
