"""Batches that a metadata store could not accept wait in files below ``spool/`` in the workspace until it can.

Writing a batch twice changes nothing, so a file is removed only after the store has it.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from zenbook.core.atomic_write import write_atomically
from zenbook.core.states import RunState, StepState
from zenbook.errors import StoreError, StoreUnreachableError, ZenbookWarning
from zenbook.stack.metadata_store import MetadataStore
from zenbook.stack.orchestrator import Stores
from zenbook.stack.records import (
    ArtifactRecord,
    Batch,
    InputRecord,
    LogRecord,
    MetricRecord,
    OutputRecord,
    ParamRecord,
    RunUpdate,
    StepRecord,
)

FOLDER = "spool"
VERSION = 1
_LOCK_SECONDS = 10.0  # how long another process may take to send the same files
_RECORDS: dict[str, type[Any]] = {
    "runs": RunUpdate,
    "steps": StepRecord,
    "artifacts": ArtifactRecord,
    "outputs": OutputRecord,
    "inputs": InputRecord,
    "params": ParamRecord,
    "metrics": MetricRecord,
    "logs": LogRecord,
}
_STATES: dict[type[Any], type[RunState] | type[StepState]] = {RunUpdate: RunState, StepRecord: StepState}


class SpoolWarning(ZenbookWarning):
    """A record has not reached its metadata store yet, or has reached it late."""


def spool_batch(batch: Batch, home: Path, store: str) -> str:
    """Keep a batch in a file that `send_spooled` sends later.

    Args:
        batch: The changes.
        home: The workspace's folder.
        store: The name of the metadata store.

    Returns:
        A note for people: where the batch is, or why it is lost.
    """
    try:
        folder = _folder(home, store)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}.json"  # sorts by time
        write_atomically(file, json.dumps({"version": VERSION, "batch": asdict(batch)}), flush_to_disk=True)
    except OSError as error:
        return f"records of this run are lost: {home / FOLDER} cannot be written ({error.strerror or error})"
    return f"records of this run are kept in {folder}; the next command that uses this stack sends them"


def spool_unrecorded(unrecorded: StoreError, batch: Batch, stack: Stores, failing: BaseException | None = None) -> None:
    """Keep a batch that could not be written, if the store can take it later, and add a note to the user's error.

    Args:
        unrecorded: The store's error.
        batch: The changes.
        stack: The stack on which they were recorded.
        failing: The error that the user sees, if it is another one.
    """
    if isinstance(unrecorded, StoreUnreachableError) and batch:
        shown = failing if failing is not None else unrecorded
        note = spool_batch(batch, stack.workspace.home, str(stack.stack.metadata_store))
        if note not in getattr(shown, "__notes__", ()):
            shown.add_note(note)


def send_spooled(metadata: MetadataStore, home: Path, store: str) -> int:
    """Send the batches that wait for a metadata store, the oldest first.

    Warns of what was sent and of damaged files, which are renamed. Batches that cannot be sent now stay.

    Args:
        metadata: The store.
        home: The workspace's folder.
        store: The store's name.

    Returns:
        The number of batches that the store has accepted.
    """
    folder = _folder(home, store)
    if not _waiting(folder):
        return 0
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".lock", timeout=_LOCK_SECONDS):
            return _send(metadata, folder, store)
    except (Timeout, OSError) as error:
        warnings.warn(f"The records in {folder} could not be sent: {error}", SpoolWarning, stacklevel=2)
        return 0


def _send(metadata: MetadataStore, folder: Path, store: str) -> int:
    sent = 0
    for file in _waiting(folder):
        try:
            batch = _read(file)
        except FileNotFoundError:  # another process was quicker
            continue
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            aside = file.with_suffix(".damaged")
            file.replace(aside)
            text = f"A file with records that were not sent yet is damaged ({error}). It was renamed to {aside}."
            warnings.warn(text, SpoolWarning, stacklevel=3)
            continue
        try:
            metadata.write(batch)
        except StoreError as error:
            text = f"The records in {folder} could not be sent yet: {error.message}"
            warnings.warn(text, SpoolWarning, stacklevel=3)
            break
        file.unlink()
        sent += 1
    if sent:
        count = f"{sent} batch{'es' * (sent > 1)}"
        text = f"Records that the metadata store {store!r} could not accept earlier were sent now ({count})."
        warnings.warn(text, SpoolWarning, stacklevel=3)
    return sent


def _folder(home: Path, store: str) -> Path:
    return home / FOLDER / quote(store, safe="")


def _waiting(folder: Path) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == ".json")
    except FileNotFoundError:
        return []


def _read(file: Path) -> Batch:
    body = json.loads(file.read_text(encoding="utf-8"))
    if body["version"] != VERSION:
        raise ValueError(f"its version is {body['version']}, and this zenbook knows {VERSION}")
    batch = body["batch"]
    if unknown := set(batch) - set(_RECORDS):
        raise ValueError(f"it contains {min(unknown)!r}")
    return Batch(**{kind: [_record(_RECORDS[kind], record) for record in records] for kind, records in batch.items()})


def _record(model: type[Any], values: Mapping[str, Any]) -> Any:
    arguments = {field.name: values[field.name] for field in fields(model)}
    if model in _STATES:
        arguments["state"] = _STATES[model](arguments["state"])
    if "notes" in arguments:
        arguments["notes"] = tuple(arguments["notes"])
    return model(**arguments)
