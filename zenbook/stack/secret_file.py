"""A keyring in a file, for machines without one: entries encrypted (Fernet), the key in the user's home.

A copy of the workspace alone (a backup, a shared folder) reveals no secret. Programs of this user can read all of them,
as with any keyring that is unlocked.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError, PasswordDeleteError

from zenbook.core.atomic_write import write_atomically

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

OWNER_ONLY = 0o600


class SecretFile(KeyringBackend):
    """Entries in a JSON file, each under its service and account. Raises `KeyringError`."""

    priority = 0  # never chosen by `keyring` itself

    def __init__(self, file: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.file = file

    @property
    def key_file(self) -> Path:
        """The file with this user's key."""
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "zenbook" / "key"

    def get_password(self, service: str, username: str) -> str | None:
        """Read a secret.

        Args:
            service: The program that stored it.
            username: The account to which it belongs.

        Returns:
            The secret; None if the account has none.

        Raises:
            KeyringError: The secret cannot be decrypted.
        """
        token = self._entries().get(_entry(service, username))
        if token is None:
            return None
        from cryptography.fernet import InvalidToken

        try:
            return self._cipher().decrypt(token.encode()).decode()
        except InvalidToken:
            raise KeyringError(f"{self.file} was encrypted with another key than {self.key_file}") from None

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store a secret.

        Args:
            service: The program that stores it.
            username: The account to which it belongs.
            password: The secret.
        """
        self._change({_entry(service, username): self._cipher().encrypt(password.encode()).decode()})

    def delete_password(self, service: str, username: str) -> None:
        """Remove a secret.

        Args:
            service: The program that stored it.
            username: The account to which it belongs.

        Raises:
            PasswordDeleteError: The account has none.
        """
        if _entry(service, username) not in self._entries():
            raise PasswordDeleteError("the entry does not exist")
        self._change({_entry(service, username): None})

    def _entries(self) -> dict[str, str]:
        try:
            entries = json.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise KeyringError(f"{self.file} cannot be read: {error}") from None
        if not isinstance(entries, dict):
            raise KeyringError(f"{self.file} does not contain entries")
        return entries

    def _change(self, changes: dict[str, Any]) -> None:
        try:
            with FileLock(self.file.with_suffix(".lock"), timeout=30, mode=OWNER_ONLY):
                entries = {key: value for key, value in {**self._entries(), **changes}.items() if value is not None}
                write_atomically(self.file, json.dumps(entries, indent=1))
        except OSError as error:
            raise KeyringError(f"{self.file} cannot be written: {error.strerror or error}") from None

    def _cipher(self) -> Fernet:
        from cryptography.fernet import Fernet

        try:
            if not self.key_file.exists():
                self.key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with FileLock(self.key_file.with_suffix(".lock"), timeout=30, mode=OWNER_ONLY):
                    if not self.key_file.exists():
                        write_atomically(self.key_file, Fernet.generate_key().decode())
            return Fernet(self.key_file.read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise KeyringError(f"the key {self.key_file} cannot be used: {error}") from None


def _entry(service: str, account: str) -> str:
    return f"{service} {account}"
