"""Exports: a plan as a folder of files for somebody else's machinery. Exporters are found by entry point."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError

from zenbook.core.atomic_write import write_atomically
from zenbook.core.entry_points import entry_points_by_name, find_entry_point
from zenbook.core.plan import Plan
from zenbook.errors import RunError, did_you_mean
from zenbook.stack.component_choice import first_mistake

GROUP = "zenbook.exporters"
_MOST_LINES = 40  # of one file's differences that are shown


class ExportError(RunError):
    """A plan that can't be exported, or a folder that is not what would be exported now."""


class Exporter(ABC):
    """Turns a plan into files. The same plan and options give the same bytes, on every machine."""

    name: ClassVar[str]
    summary: ClassVar[str]  # one line for the list of exporters
    options: ClassVar[type[BaseModel]]  # the command's options; extra keys forbidden

    @abstractmethod
    def files(self, plan: Plan, options: Any) -> dict[str, str]:
        """The files' texts by name; ``options`` is an instance of `options`. Raises `ExportError`."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, or found to be as it should be."""

    folder: Path
    files: tuple[str, ...]
    told: str

    def __repr__(self) -> str:
        return "\n".join([self.told, *(f"  {name}" for name in self.files)])


def exporter_names() -> tuple[str, ...]:
    """The exporters that are installed."""
    return tuple(sorted(entry_points_by_name(GROUP)))


def find_exporter(name: str) -> Exporter:
    """Load an exporter. Raises `ExportError` for one that is not installed."""
    point = find_entry_point(GROUP, name)
    if point is None:
        raise ExportError(f"There is no exporter {name!r}.", did_you_mean(name, exporter_names(), noun="exporter"))
    exporter: Exporter = point.load()()
    return exporter


def make_files(exporter: Exporter, plan: Plan, options: Mapping[str, Any]) -> dict[str, str]:
    """The files of an export. Raises `ExportError` for an option that can't be."""
    try:
        settings = exporter.options(**options)
    except ValidationError as error:
        where, what, kind = first_mistake(error)
        if kind == "extra_forbidden":
            hint = did_you_mean(where, exporter.options.model_fields, noun="option")
            raise ExportError(f"The exporter {exporter.name!r} has no option {where!r}.", hint) from None
        raise ExportError(f"The option --{where.replace('_', '-')} can't be that: {what}.") from None
    return exporter.files(plan, settings)


def write_export(files: Mapping[str, str], folder: Path) -> Exported:
    """Write the files into a folder, each at once or not at all. Raises `ExportError` where that can't be."""
    changed = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            target = folder / name
            if _text_of(target) != text:
                # Airflow and others may read the folder at any moment.
                write_atomically(target, text, owner_only=False)
                changed.append(name)
    except OSError as error:
        raise ExportError(
            f"The folder {folder} can't be written: {error.strerror}.", "Choose another: --to DIR."
        ) from error
    told = f"Exported to {folder}: {len(changed)} of {len(files)} files are new or changed"
    return Exported(folder, tuple(files), told if changed else f"Nothing has changed in {folder}")


def check_export(files: Mapping[str, str], folder: Path) -> Exported:
    """See that a folder holds exactly this. Raises `ExportError` that shows what differs."""
    differences = list(_drift(files, folder))
    if differences:
        names = ", ".join(name for name, _ in differences)
        raise ExportError(
            f"{folder} is out of date: {names} would change.",
            "\n".join(text for _, text in differences) + "\nExport again, without --check.",
        )
    return Exported(folder, tuple(files), f"{folder} is up to date")


def _drift(files: Mapping[str, str], folder: Path) -> list[tuple[str, str]]:
    found = []
    for name, text in files.items():
        there = _text_of(folder / name)
        if there is None:
            found.append((name, f"{name} is missing"))
        elif there != text:
            found.append((name, _shown(name, there, text)))
    return found


def _shown(name: str, there: str, now: str) -> str:
    if name.endswith(".json"):
        return f"{name} differs"
    lines = list(
        difflib.unified_diff(there.splitlines(), now.splitlines(), f"exported/{name}", f"now/{name}", "", "", 1, "")
    )
    rest = len(lines) - _MOST_LINES
    return "\n".join([*lines[:_MOST_LINES], *([f"… and {rest} lines more"] if rest > 0 else [])])


def _text_of(file: Path) -> str | None:
    try:
        return file.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None
