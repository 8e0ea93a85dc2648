"""What a metadata store could not take, kept on this machine until it can: files below ``spool/`` in the workspace.

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
    """Something that was recorded is not in its metadata store yet, or has got there late."""


def spool_batch(batch: Batch, home: Path, store: str) -> str:
    """Keep a batch in a file that `send_spooled` sends later; a sentence that says so, or why it is lost."""
    try:
        folder = _folder(home, store)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}.json"  # sorts by time
        write_atomically(file, json.dumps({"version": VERSION, "batch": asdict(batch)}), flush_to_disk=True)
    except OSError as error:
        return f"what was to be recorded is lost: {home / FOLDER} can't be written ({error.strerror or error})"
    return f"what was to be recorded is kept in {folder}, and sent by the next command that uses this stack"


def spool_unrecorded(unrecorded: StoreError, batch: Batch, stack: Stores, failing: BaseException | None = None) -> None:
    """Keep a batch that met an error if the store can take it later, and say so on the error that goes to the user."""
    if isinstance(unrecorded, StoreUnreachableError) and batch:
        told = failing if failing is not None else unrecorded
        note = spool_batch(batch, stack.workspace.home, str(stack.stack.metadata_store))
        if note not in getattr(told, "__notes__", ()):
            told.add_note(note)


def send_spooled(metadata: MetadataStore, home: Path, store: str) -> int:
    """Send what was kept for a store, oldest first, and give the number of batches that it has taken.

    Warns of what was sent and of files that are damaged, which are set aside. What can't be sent now stays.
    """
    folder = _folder(home, store)
    if not _waiting(folder):
        return 0
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".lock", timeout=_LOCK_SECONDS):
            return _send(metadata, folder, store)
    except (Timeout, OSError) as error:
        warnings.warn(f"What is kept in {folder} could not be sent: {error}", SpoolWarning, stacklevel=2)
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
            text = f"A file of what could not be recorded is damaged ({error}); it is set aside as {aside}."
            warnings.warn(text, SpoolWarning, stacklevel=3)
            continue
        try:
            metadata.write(batch)
        except StoreError as error:
            text = f"What is kept in {folder} could not be sent yet: {error.message}"
            warnings.warn(text, SpoolWarning, stacklevel=3)
            break
        file.unlink()
        sent += 1
    if sent:
        text = f"What the metadata store {store!r} could not take earlier has been sent ({sent} parts)."
        warnings.warn(text, SpoolWarning, stacklevel=3)
    return sent


def _folder(home: Path, store: str) -> Path:
    return home / FOLDER / quote(store, safe="")


def _waiting(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.suffix == ".json")
    except FileNotFoundError:
        return []


def _read(file: Path) -> Batch:
    body = json.loads(file.read_text(encoding="utf-8"))
    if body["version"] != VERSION:
        raise ValueError(f"its version is {body['version']}, and this zenbook knows {VERSION}")
    batch = body["batch"]
    if unknown := set(batch) - set(_RECORDS):
        raise ValueError(f"it holds {min(unknown)!r}")
    return Batch(**{kind: [_record(_RECORDS[kind], one) for one in records] for kind, records in batch.items()})


def _record(model: type[Any], values: Mapping[str, Any]) -> Any:
    made = {field.name: values[field.name] for field in fields(model)}
    if model in _STATES:
        made["state"] = _STATES[model](made["state"])
    if "notes" in made:
        made["notes"] = tuple(made["notes"])
    return model(**made)
