"""A wire between a client and a server on this machine: counts round trips, and can be cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from notebooks.servers import HOST


class Wire:
    """``trips`` counts how often the client spoke after the server had."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.trips = 0
        self.connections = 0
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Drop all connections silently, as a firewall does."""
        while self._ends:
            end = self._ends.pop()
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection((HOST, self.to))
            except OSError:
                return
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._ends += [client, server]
            turn = {"server spoke": True}
            threading.Thread(target=self._pass, args=(client, server, turn, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, turn, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, turn: dict[str, bool], from_client: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if from_client and turn["server spoke"]:
                    self.trips += 1
                turn["server spoke"] = not from_client
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """A wire to a port of this machine."""
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()
