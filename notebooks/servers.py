"""Throw-away database servers on this machine: `MariaDB` and `PostgreSQL`, started and ended by ``with``.

They listen on 127.0.0.1 alone and keep their data in a temporary folder, which outlives a crash of the server but need
not outlive one of the machine: nothing is flushed to the disk by force. What they need (Debian): ``apt-get install
mariadb-server-core postgresql``.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
START_SECONDS = 60


class Server(ABC):
    """One server. ``arguments`` are added to its command line."""

    account: str | None = None  # that it runs as when root starts it

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = Path()

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="zenbook-server-", dir="/tmp"))
        self.folder.chmod(0o755)
        try:
            if self.account is not None and os.geteuid() == 0:
                shutil.chown(self.folder, self.account)
            self._make()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, on the same port and data as before, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log, **self._as_account())
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"The server does not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; SIGKILL is a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def _run(self, *command: str, given: str = "") -> None:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, **self._as_account())
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {(done.stdout + done.stderr)[-2000:]}")

    def _as_account(self) -> dict[str, object]:
        if self.account is None or os.geteuid() != 0:
            return {}
        return {"user": self.account, "group": pwd.getpwnam(self.account).pw_gid, "extra_groups": [], "cwd": "/"}

    @property
    @abstractmethod
    def socket(self) -> Path:
        """The unix socket."""

    @abstractmethod
    def url(self, database: str = "zenbook") -> str:
        """As zenbook takes it."""

    @abstractmethod
    def execute(self, *statements: str, database: str | None = None) -> list[tuple[object, ...]]:
        """Execute statements as the administrator; the rows of the last one."""

    @abstractmethod
    def _make(self) -> None:
        """Make its data."""

    @abstractmethod
    def _command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a client can log in."""


class MariaDB(Server):
    """Its administrator is ``root`` without a password; `execute` makes other users."""

    @property
    def socket(self) -> Path:
        """The unix socket."""
        return self.folder / "mysqld.sock"

    def url(self, database: str = "zenbook") -> str:
        """As zenbook takes it."""
        return f"mysql://root@{HOST}:{self.port}/{database}"

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[object, ...]]:
        """Execute statements as the administrator; the rows of the last one."""
        import pymysql

        with (
            pymysql.connect(
                unix_socket=str(self.socket), user="root", database=database, autocommit=True
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def _make(self) -> None:
        """As ``mariadb-install-db`` does, which wants a program of another package, and without the help's tables."""
        (self.folder / "data").mkdir()
        (self.folder / "tmp").mkdir()
        folder, brand = next(
            (folder, brand)
            for folder in (Path("/usr/share/mysql"), Path("/usr/share/mariadb"))
            for brand in ("mysql", "mariadb")
            if (folder / f"{brand}_system_tables.sql").is_file()
        )
        scripts = [
            folder / f"{brand}_{name}.sql" for name in ("system_tables", "performance_tables", "system_tables_data")
        ]
        lines = "".join(one.read_text("utf-8") for one in scripts).splitlines()
        text = "\n".join(line for line in lines if "@current_hostname" not in line)
        self._run(
            *self._base(),
            "--bootstrap",
            "--silent-startup",
            "--log-warnings=0",
            given=f"CREATE DATABASE mysql;\nUSE mysql;\nSET @skip_auth_anonymous=1, @auth_root_socket=NULL;\n{text}\n",
        )

    def _base(self) -> list[str]:
        account = ["--user=root"] if os.geteuid() == 0 else []
        sizes = ("--innodb-log-file-size=8M", "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2")
        # A server that starts removes the temporary tables that others have in a folder which they share.
        folders = (f"--datadir={self.folder / 'data'}", f"--tmpdir={self.folder / 'tmp'}")
        return [_program("mariadbd"), "--no-defaults", *folders, *account, *sizes]

    def _command(self) -> list[str]:
        return [
            *self._base(),
            f"--socket={self.socket}",
            f"--port={self.port}",
            f"--bind-address={HOST}",
            "--skip-name-resolve",
            *self.arguments,
        ]

    def _answers(self) -> bool:
        import pymysql

        if not self.socket.exists():
            return False
        try:
            self.execute("SELECT 1")
        except pymysql.MySQLError:
            return False
        return True


class PostgreSQL(Server):
    """Its administrator is ``postgres`` without a password. The server refuses to run as root."""

    account = "nobody"

    @property
    def socket(self) -> Path:
        """The unix socket."""
        return self.folder / f".s.PGSQL.{self.port}"

    def url(self, database: str = "zenbook") -> str:
        """As zenbook takes it."""
        return f"postgresql://postgres@{HOST}:{self.port}/{database}"

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[object, ...]]:
        """Execute statements as the administrator; the rows of the last one."""
        import psycopg

        with psycopg.connect(
            host=str(self.folder), port=self.port, user="postgres", dbname=database or "postgres", autocommit=True
        ) as connection:
            rows: list[tuple[object, ...]] = []
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description is not None else []
            return rows

    def _make(self) -> None:
        self._run(
            _program("initdb"),
            f"--pgdata={self.folder / 'data'}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        )

    def _command(self) -> list[str]:
        options = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [_program("postgres"), "-D", str(self.folder / "data"), *settings, *self.arguments]

    def _answers(self) -> bool:
        import psycopg

        try:
            self.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it without waiting for its clients; SIGKILL is a crash, as far as its data can tell."""
        super().stop(signal.SIGQUIT if how == signal.SIGKILL else signal.SIGINT)


def free_port() -> int:
    """A port on which nobody listens, of those that no client is given, so that it stays free for a restart."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind((HOST, port))
            except OSError:
                continue
            return port


def _program(name: str) -> str:
    """Where a program is: Debian keeps PostgreSQL's out of the way."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = (
        shutil.which(name)
        or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
        or next((str(one) for one in reversed(newest)), None)
    )
    if found is None:
        package = "mariadb-server-core" if "mariadb" in name else "postgresql"
        raise RuntimeError(f"{name} is not installed: apt-get install {package}")
    return found
