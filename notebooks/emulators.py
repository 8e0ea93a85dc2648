"""Object storage on this machine, for tests and tutorials: S3 (moto), Google Cloud Storage and Azure (azurite).

>>> with S3() as s3:
...     s3.make_bucket("data")
...     print(s3.options("data"))

Each server listens on a free port of 127.0.0.1, keeps its data in memory or in a temporary folder, and is gone with its
block. `start` and `stop` do the same for a notebook, whose cells can't share a block. None of them needs an account or
sends anything out.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

HERE = Path(__file__).resolve().parent
STARTUP_SECONDS = 60.0


class Emulator:
    """A server process that says on its output where it listens."""

    ready: ClassVar[str]  # what it says then, with the port as the first group

    def __init__(self) -> None:
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self._folder = ""

    def start(self) -> Any:
        """Start the server and wait until it listens. Raises `RuntimeError` with what it said if it doesn't."""
        self._folder = tempfile.mkdtemp(prefix="emulator-")
        self._process = subprocess.Popen(
            self.command(self._folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self._folder,
            env={**os.environ, **self.environment()},
            start_new_session=True,  # an interrupt of the notebook is not meant for it
        )
        too_slow = threading.Timer(STARTUP_SECONDS, self._process.kill)
        too_slow.start()
        said: list[str] = []
        output = self._process.stdout
        assert output is not None
        for line in output:
            said.append(line)
            found = re.search(self.ready, line)
            if found:
                self.port = int(found[1])
                break
        too_slow.cancel()
        if not self.port:
            self.stop()
            raise RuntimeError(f"{type(self).__name__} did not start:\n{''.join(said[-20:])}")
        threading.Thread(target=output.read, daemon=True).start()  # a full pipe would stop the server
        return self

    def stop(self) -> None:
        """End the server and remove its data."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def pause(self) -> None:
        """Stop answering, as a server does whose machine hangs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Any:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def command(self, folder: str) -> list[str]:
        """What to run; ``folder`` is empty and its own."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Variables of the server."""
        return {}

    def options(self, bucket: str) -> dict[str, Any]:
        """Options of an artifact store in a bucket of it."""
        raise NotImplementedError

    def filesystem(self) -> Any:
        """A plain filesystem of fsspec, without what zenbook sets."""
        raise NotImplementedError

    def make_bucket(self, name: str) -> None:
        """Make a bucket, or container."""
        self.filesystem().mkdir(name)


class S3(Emulator):
    """moto's server: ``pip install "moto[server]"``. It takes any key."""

    ready = r"Running on http://127\.0\.0\.1:(\d+)"
    key, secret = "testing", "testing"

    def command(self, folder: str) -> list[str]:
        """Moto in a process of its own."""
        return [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]

    def make_bucket(self, name: str) -> None:
        """Make a bucket in the first region, which has no name of its own there."""
        self.filesystem().call_s3("create_bucket", Bucket=name)

    def options(self, bucket: str) -> dict[str, Any]:
        """Of the flavour `s3`."""
        return {
            "path": f"s3://{bucket}",
            "endpoint_url": self.endpoint,
            "region": "us-east-1",
            "access_key_id": self.key,
            "secret_access_key": self.secret,
        }

    def filesystem(self) -> Any:
        """S3fs."""
        from s3fs import S3FileSystem

        return S3FileSystem(
            key=self.key,
            secret=self.secret,
            endpoint_url=self.endpoint,
            client_kwargs={"region_name": "us-east-1"},
            skip_instance_cache=True,
        )


class Gcs(Emulator):
    """``pip install gcp-storage-emulator``. It asks for no credentials."""

    ready = r"listening on port (\d+)"

    def command(self, folder: str) -> list[str]:
        """The emulator with what gcsfs asks of it besides."""
        return [sys.executable, "-u", str(Path(__file__).resolve()), "gcs"]

    def options(self, bucket: str) -> dict[str, Any]:
        """Of the flavour `gcs`."""
        return {"path": f"gs://{bucket}", "endpoint_url": self.endpoint, "anonymous": True, "project": "test"}

    def filesystem(self) -> Any:
        """Gcsfs, without the calls by gRPC that the emulator does not know."""
        from gcsfs.core import GCSFileSystem

        return GCSFileSystem(project="test", token="anon", endpoint_url=self.endpoint, skip_instance_cache=True)  # noqa: S106


class Azure(Emulator):
    """azurite of npm: on PATH, or in ``folder`` (``npm install --prefix FOLDER azurite``)."""

    ready = r"successfully listen(?:ing|s) (?:at|on) http://127\.0\.0\.1:(\d+)"
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # azurite's own

    def __init__(self, folder: Path = HERE.parent / ".cache" / "npm") -> None:
        super().__init__()
        places = os.pathsep.join([str(folder / "node_modules" / ".bin"), os.environ.get("PATH", "")])
        self.program = shutil.which("azurite-blob", path=places)

    def command(self, folder: str) -> list[str]:
        """Azurite's blob service alone. Raises `FileNotFoundError` where it is not installed."""
        if self.program is None:
            raise FileNotFoundError("azurite-blob is not installed: npm install --prefix .cache/npm azurite")
        return [
            *(self.program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--silent"),
            *("--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"),
        ]

    @property
    def endpoint(self) -> str:
        """Its address, which ends in the account's name."""
        return f"http://127.0.0.1:{self.port}/{self.account}"

    @property
    def connection_string(self) -> str:
        """All that a client must know, in one text."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.key};"
            f"BlobEndpoint={self.endpoint};"
        )

    def options(self, bucket: str) -> dict[str, Any]:
        """Of the flavour `azure`."""
        return {
            "path": f"az://{bucket}",
            "account_name": self.account,
            "account_key": self.key,
            "endpoint_url": self.endpoint,
        }

    def make_bucket(self, name: str) -> None:
        """Make a container."""
        from azure.storage.blob import BlobServiceClient

        with BlobServiceClient.from_connection_string(self.connection_string) as client:
            client.create_container(name)

    def filesystem(self) -> Any:
        """Adlfs."""
        from adlfs import AzureBlobFileSystem

        return AzureBlobFileSystem(connection_string=self.connection_string, skip_instance_cache=True)


def _serve_gcs() -> None:
    """Run gcp-storage-emulator with a route that gcsfs calls when it renames, and room for many calls at once."""
    from http import HTTPStatus
    from http.server import HTTPServer

    from gcp_storage_emulator import server
    from gcp_storage_emulator.exceptions import NotFound
    from gcp_storage_emulator.handlers import objects

    def move(request: Any, response: Any, storage: Any, *_: object, **__: object) -> None:
        bucket, source, target = (request.params[one] for one in ("bucket_name", "object_id", "dest_object_id"))
        try:
            response.json(objects._copy(request.base_url, storage, bucket, source, bucket, target))
            objects._delete(storage, bucket, source)
        except NotFound:
            response.status = HTTPStatus.NOT_FOUND

    name = r"(?P<bucket_name>[-.\w]+)/o/(?P<object_id>.*[^/]+)/moveTo/o/(?P<dest_object_id>.*[^/]+)"
    server.HANDLERS = ((rf"^/storage/v1/b/{name}$", {"POST": move}), *server.HANDLERS)
    HTTPServer.request_queue_size = 256
    made = server.create_server("127.0.0.1", 0, in_memory=True)
    made.start()
    print(f"listening on port {made._api._httpd.server_address[1]}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["gcs"]:
        _serve_gcs()
    else:
        servers: list[Emulator] = [S3(), Gcs(), Azure()]
        for one in servers:
            print(one.start().options("bucket"), flush=True)
        try:
            while True:
                time.sleep(60)
        finally:
            for one in servers:
                one.stop()
