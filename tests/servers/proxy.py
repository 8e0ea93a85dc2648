"""A proxy before a server, which counts calls, answers some itself, and delays or spoils others."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

DROP = 0  # instead of a status: close the connection without an answer


class Proxy:
    """Passes calls on to ``target``. ``answers`` maps (method, path) to a status and a body of its own, or None."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.target = (parts.hostname, parts.port)
        self.calls: list[tuple[str, str]] = []
        self.sent = 0  # bytes of bodies
        self.failed = 0  # calls that `fail_first` answered
        self.at_once = 0
        self.most_at_once = 0
        self.answer: Callable[[str, str], tuple[int, bytes] | None] = lambda method, path: None
        self.before: Callable[[str, str], None] = lambda method, path: None
        self.spoil: Callable[[str, str, bytes], bytes] = lambda method, path, body: body
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{parts.path}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fail_first(self, count: int, status: int = 503, *, methods: tuple[str, ...] = (), body: bytes = b"") -> None:
        """Answer so many calls with an error."""
        left = [count]

        def answer(method: str, path: str) -> tuple[int, bytes] | None:
            with self.lock:
                if left[0] and (not methods or method in methods):
                    left[0] -= 1
                    self.failed += 1
                    return status, body
            return None

        self.answer = answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed hang up."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_call(self) -> None:
            body = self._body()
            with proxy.lock:
                proxy.calls.append((self.command, self.path))
                proxy.sent += len(body)
                proxy.at_once += 1
                proxy.most_at_once = max(proxy.most_at_once, proxy.at_once)
            try:
                proxy.before(self.command, self.path)
                own = proxy.answer(self.command, self.path)
                if own is None:
                    self._pass_on(body)
                elif own[0] == DROP:
                    self.close_connection = True
                else:
                    self._answer(own[0], [("Content-Type", "application/xml")], own[1])
            finally:
                with proxy.lock:
                    proxy.at_once -= 1

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = handle_call

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                whole = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    whole += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return whole
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _pass_on(self, body: bytes) -> None:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("transfer-encoding", "expect")}
            if body or self.command in ("PUT", "POST"):
                headers["Content-Length"] = str(len(body))
            connection = http.client.HTTPConnection(*proxy.target, timeout=60)
            connection.request(self.command, self.path, body or None, headers)
            reply = connection.getresponse()
            content = proxy.spoil(self.command, self.path, reply.read())
            self._answer(reply.status, reply.getheaders(), content)
            connection.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response_only(status)
            length = str(len(content))
            for key, value in headers:
                if key.lower() == "content-length" and self.command == "HEAD":
                    length = value
                elif key.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(key, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
