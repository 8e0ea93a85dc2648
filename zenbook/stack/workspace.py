"""The workspace: the ``.zen`` folder with registered components and stacks, the active stack and the default stores.

It is created on first use. It is the nearest ``.zen`` at or above the current folder, else a new one in the current
folder; ``ZENBOOK_WORKSPACE`` names another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zenbook.errors import StackError
from zenbook.stack.config_file import Config, change_config, read_config

FOLDER = ".zen"
OWNER_ONLY = 0o700  # the folder may hold secrets, and what steps printed


@dataclass(frozen=True, slots=True)
class Workspace:
    """A ``.zen`` folder, which may not exist yet."""

    home: Path

    @classmethod
    def find(cls) -> Workspace:
        """Find the workspace that applies to the current folder. Nothing is created."""
        named = os.environ.get("ZENBOOK_WORKSPACE")
        if named:
            path = Path(named).expanduser().absolute()
            return cls(path if path.name == FOLDER else path / FOLDER)
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / FOLDER).is_dir():
                return cls(folder / FOLDER)
        return cls(here / FOLDER)

    @property
    def exists(self) -> bool:
        """Whether the folder exists."""
        return self.home.is_dir()

    def ensure(self) -> Workspace:
        """Create the folder if it does not exist.

        Returns:
            This workspace.

        Raises:
            StackError: The folder cannot be created.
        """
        if not self.exists:
            try:
                self.home.parent.mkdir(parents=True, exist_ok=True)
                self.home.mkdir(mode=OWNER_ONLY, exist_ok=True)
                (self.home / ".gitignore").write_text("*\n", encoding="utf-8")
            except OSError as error:
                raise StackError(
                    f"The workspace {self.home} cannot be created: {error.strerror or error}.",
                    "Choose another place with `zen init --path DIR` or the variable ZENBOOK_WORKSPACE.",
                ) from error
        return self

    @property
    def config_file(self) -> Path:
        """The file in which components and stacks are registered."""
        return self.home / "config.yaml"

    def config(self) -> Config:
        """Read ``config.yaml``; without one, the defaults apply."""
        return read_config(self.config_file)

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """Change ``config.yaml``, as `change_config` does; the folder is created if it does not exist.

        Yields:
            The file's content, to be changed.
        """
        self.ensure()
        with change_config(self.config_file) as body:
            yield body
