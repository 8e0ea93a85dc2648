"""Exports: a plan as a folder of files for another tool. Exporters are found by entry point."""

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
_MOST_LINES = 40  # of the differences of one file; the rest is left out


class ExportError(RunError):
    """A plan cannot be exported, or a folder differs from what would be exported now."""


class Exporter(ABC):
    """Turns a plan into files. The same plan and options give the same bytes, on every machine."""

    name: ClassVar[str]
    summary: ClassVar[str]  # one line for the list of exporters
    options: ClassVar[type[BaseModel]]  # the command's options; extra keys forbidden

    @abstractmethod
    def files(self, plan: Plan, options: Any) -> dict[str, str]:
        """Write the files.

        Args:
            plan: The plan to export.
            options: An instance of the exporter's `options`.

        Returns:
            The files' texts by name.

        Raises:
            ExportError: The plan cannot be exported.
        """


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export or of its check."""

    folder: Path
    files: tuple[str, ...]
    message: str

    def __repr__(self) -> str:
        return "\n".join([self.message, *(f"  {name}" for name in self.files)])


def exporter_names() -> tuple[str, ...]:
    """The names of the exporters that are installed, sorted."""
    return tuple(sorted(entry_points_by_name(GROUP)))


def find_exporter(name: str) -> Exporter:
    """Load an exporter.

    Args:
        name: The exporter's name.

    Returns:
        The exporter.

    Raises:
        ExportError: It is not installed.
    """
    point = find_entry_point(GROUP, name)
    if point is None:
        raise ExportError(f"Unknown exporter {name!r}.", did_you_mean(name, exporter_names(), noun="exporter"))
    exporter: Exporter = point.load()()
    return exporter


def make_files(exporter: Exporter, plan: Plan, options: Mapping[str, Any]) -> dict[str, str]:
    """Check the options and export a plan.

    Args:
        exporter: The exporter.
        plan: The plan to export.
        options: The exporter's options by name.

    Returns:
        The files' texts by name.

    Raises:
        ExportError: An option is unknown or invalid, or the plan cannot be exported.
    """
    try:
        settings = exporter.options(**options)
    except ValidationError as error:
        where, what, kind = first_mistake(error)
        if kind == "extra_forbidden":
            hint = did_you_mean(where, exporter.options.model_fields, noun="option")
            raise ExportError(f"The exporter {exporter.name!r} has no option {where!r}.", hint) from None
        raise ExportError(f"Invalid value of the option --{where.replace('_', '-')}: {what}.") from None
    return exporter.files(plan, settings)


def write_export(files: Mapping[str, str], folder: Path) -> Exported:
    """Write the files of an export that are new or changed. Each is written completely or not at all.

    Args:
        files: The files' texts by name.
        folder: The folder, which is created if it does not exist.

    Returns:
        The result.

    Raises:
        ExportError: A file cannot be written.
    """
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
            f"The folder {folder} cannot be written: {error.strerror}.", "Choose another one with --to DIR."
        ) from error
    message = f"Exported to {folder}: {len(changed)} of {len(files)} files are new or changed"
    return Exported(folder, tuple(files), message if changed else f"Nothing has changed in {folder}")


def check_export(files: Mapping[str, str], folder: Path) -> Exported:
    """Check that a folder contains the files of an export.

    Args:
        files: The files' texts by name.
        folder: The folder.

    Returns:
        The result.

    Raises:
        ExportError: A file differs or is missing.
    """
    differences = _differences(files, folder)
    if differences:
        names = ", ".join(name for name, _ in differences)
        raise ExportError(
            f"{folder} is out of date: {names} would change.",
            "\n".join(text for _, text in differences) + "\nExport again, without --check.",
        )
    return Exported(folder, tuple(files), f"{folder} is up to date")


def _differences(files: Mapping[str, str], folder: Path) -> list[tuple[str, str]]:
    differences = []
    for name, text in files.items():
        exported = _text_of(folder / name)
        if exported is None:
            differences.append((name, f"{name} is missing"))
        elif exported != text:
            differences.append((name, _difference(name, exported, text)))
    return differences


def _difference(name: str, exported: str, now: str) -> str:
    if name.endswith(".json"):
        return f"{name} differs"
    lines = list(
        difflib.unified_diff(exported.splitlines(), now.splitlines(), f"exported/{name}", f"now/{name}", "", "", 1, "")
    )
    rest = len(lines) - _MOST_LINES
    return "\n".join([*lines[:_MOST_LINES], *([f"… and {rest} more lines"] if rest > 0 else [])])


def _text_of(file: Path) -> str | None:
    try:
        return file.read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None
