"""Requests to Airflow's REST API: what is sent again, what is refused, and for how long a caller waits."""

from __future__ import annotations

import base64
import http.server
import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.certificates import Authority
from zenbook.errors import RunError, StackError
from zenbook.integrations.airflow.client import AirflowApi, DagInfo, TaskInfo
from zenbook.integrations.airflow.connection import Account, AirflowUnavailableError

Answer = tuple[int, Any]  # a status and what is sent as JSON; a text is sent as it is
DAG = {"tags": [{"name": "zenbook"}], "is_paused": False}


@dataclass
class FakeAirflow:
    """A web server that answers what a test says, and keeps what it was sent."""

    url: str
    answer: Callable[[str, str], Answer] = lambda _method, _path: (404, {})
    requests: list[tuple[str, str, str, Any]] = field(default_factory=list)  # method, path, Authorization, body

    def paths(self, word: str) -> list[str]:
        return [path for _, path, _, _ in self.requests if word in path]


def version(number: int, then: Callable[[str, str], Answer]) -> Callable[[str, str], Answer]:
    def answer(method: str, path: str) -> Answer:
        if path.endswith("/version"):
            return (200, {}) if f"v{number}" in path else (404, {})
        return then(method, path)

    return answer


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[FakeAirflow]:
    fake = FakeAirflow("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            signature = self.headers.get("Authorization", "")
            fake.requests.append((self.command, self.path, signature, json.loads(text) if text else None))
            status, body = fake.answer(self.command, self.path)
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PATCH = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    fake.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    with serving() as fake:
        yield fake


def in_turn(*answers: Answer) -> Callable[[str, str], Answer]:
    """One answer after another; the last stays."""
    rest = [*answers]
    return lambda _method, _path: rest.pop(0) if len(rest) > 1 else rest[0]


# --- who asks -----------------------------------------------------------------------------------------------------


def test_a_user_of_airflow_2_sends_name_and_password(airflow: FakeAirflow) -> None:
    airflow.answer = version(1, lambda *_: (200, DAG))
    assert AirflowApi(airflow.url + "/", Account("größe", "pass:word")).dag("a b") == DagInfo(
        ("zenbook",), paused=False
    )
    pair = base64.b64encode("größe:pass:word".encode()).decode()
    assert airflow.requests[-1] == ("GET", "/api/v1/dags/a%20b", f"Basic {pair}", None)


def test_nobody_sends_no_signature_to_airflow_2(airflow: FakeAirflow) -> None:
    airflow.answer = version(1, lambda *_: (200, DAG))
    AirflowApi(airflow.url, Account()).dag("x")
    assert {signature for _, _, signature, _ in airflow.requests} == {""}


@pytest.mark.parametrize("account", [Account("user", "secret"), Account()])
def test_a_token_of_airflow_3_is_fetched_once_and_again_when_it_has_expired(
    airflow: FakeAirflow, account: Account
) -> None:
    tokens = iter(["first", "second"])
    answers = in_turn((200, DAG), (200, DAG), (401, {}), (200, DAG))
    airflow.answer = version(
        2, lambda method, path: (201, {"access_token": next(tokens)}) if "token" in path else answers(method, path)
    )
    api = AirflowApi(airflow.url, account)
    for _ in range(3):
        api.dag("x")
    signatures = [signature for _, path, signature, _ in airflow.requests if "dags" in path]
    assert signatures == ["Bearer first"] * 3 + ["Bearer second"]
    sent = [(method, body) for method, path, _, body in airflow.requests if "token" in path]
    fetched = ("POST", {"username": "user", "password": "secret"}) if account.username else ("GET", None)
    assert sent == [fetched] * 2


def test_a_token_of_the_users_is_not_renewed(airflow: FakeAirflow) -> None:
    airflow.answer = version(2, lambda *_: (401, {"detail": "Invalid\n token"}))
    api = AirflowApi(airflow.url, Account(token="mine"))
    with pytest.raises(StackError, match=r"refuses this user or token \(401: Invalid token\)\.") as raised:
        api.dag("x")
    assert "--username and --password" in raised.value.hint
    assert "mine" not in str(raised.value)
    assert airflow.requests[-1][2] == "Bearer mine"
    assert airflow.paths("token") == []


def test_a_user_who_gets_no_token_is_refused_at_once(airflow: FakeAirflow) -> None:
    airflow.answer = version(2, lambda *_: (403, "<html>"))
    with pytest.raises(StackError, match=r"gives no token \(403\)\."):
        AirflowApi(airflow.url, Account("user", "wrong")).dag("x")


# --- what is sent again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", [(503, {}), (429, {}), (500, "oops"), (200, "<html>")])
def test_what_may_pass_is_sent_again(airflow: FakeAirflow, problem: Answer) -> None:
    airflow.answer = version(1, in_turn(problem, (200, DAG)))
    assert AirflowApi(airflow.url, Account()).dag("x") is not None
    assert len(airflow.paths("/dags/x")) == 2


def test_a_token_that_may_come_is_asked_for_again(airflow: FakeAirflow) -> None:
    tokens = in_turn((502, {}), (200, {"access_token": "t"}))
    airflow.answer = version(2, lambda method, path: tokens(method, path) if "token" in path else (200, DAG))
    assert AirflowApi(airflow.url, Account()).dag("x") is not None


def test_what_does_not_pass_is_named(airflow: FakeAirflow) -> None:
    airflow.answer = version(1, lambda *_: (503, {}))
    began = time.monotonic()
    with pytest.raises(AirflowUnavailableError) as raised:
        AirflowApi(airflow.url, Account(), patience=1.5).dag("x")
    assert raised.value.message == (
        f"Airflow at {airflow.url} did not answer within 1.5 s: it answers 503 Service Unavailable."
    )
    assert "zen stack check" in raised.value.hint
    assert 1.5 <= time.monotonic() - began < 10
    assert len(airflow.paths("/dags/x")) == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "localhost:8080", "http://no-such-host.invalid", "http://[::1"])
def test_an_address_where_nobody_answers_is_named(url: str) -> None:
    with pytest.raises(AirflowUnavailableError, match=r"did not answer within 0 s: .+\."):
        AirflowApi(url, Account(), patience=0).dag("x")


@pytest.mark.parametrize("status", [400, 404, 405, 422])
def test_a_request_that_is_refused_is_not_sent_again(airflow: FakeAirflow, status: int) -> None:
    airflow.answer = version(1, lambda *_: (status, {"detail": "no"}))
    with pytest.raises(RunError, match=f"answers {status} to POST /api/v1/dags/d/dagRuns: no\\."):
        AirflowApi(airflow.url, Account()).trigger("d", "r", {})
    assert len(airflow.paths("dagRuns")) == 1


def test_no_api_at_the_address(airflow: FakeAirflow) -> None:
    with pytest.raises(StackError, match=r"REST API was not found at http://127") as raised:
        AirflowApi(airflow.url, Account()).dag("x")
    assert "--url" in raised.value.hint


def test_a_server_that_refuses_its_version_is_not_asked_forever(airflow: FakeAirflow) -> None:
    airflow.answer = lambda *_: (401, {})
    with pytest.raises(StackError, match="refuses this user or token"):
        AirflowApi(airflow.url, Account()).dag("x")


# --- answers that mean something ----------------------------------------------------------------------------------


def test_a_run_that_exists_is_not_started_twice(airflow: FakeAirflow) -> None:
    airflow.answer = version(2, lambda _, path: (200, {"access_token": "t"}) if "token" in path else (409, {}))
    AirflowApi(airflow.url, Account()).trigger("d", "r", {"zenbook": {"run": "ü"}})
    assert airflow.requests[-1][3] == {"dag_run_id": "r", "conf": {"zenbook": {"run": "ü"}}, "logical_date": None}


def test_what_does_not_exist(airflow: FakeAirflow) -> None:
    airflow.answer = version(1, lambda *_: (404, {}))
    api = AirflowApi(airflow.url, Account())
    assert (api.dag("d"), api.state("d", "r"), api.log("d", "r", "t", 1)) == (None, None, "")
    api.fail("d", "r")
    assert airflow.requests[-1] == ("PATCH", "/api/v1/dags/d/dagRuns/r", "", {"state": "failed"})


def test_tasks_come_in_pages(airflow: FakeAirflow) -> None:
    def page(_method: str, path: str) -> Answer:
        first = int(path.rpartition("=")[2])
        names = [f"t{number}" for number in range(first, min(first + 100, 130))]
        return 200, {
            "total_entries": 130,
            "task_instances": [{"task_id": name, "state": None, "try_number": 1} for name in names],
        }

    airflow.answer = version(1, page)
    tasks = AirflowApi(airflow.url, Account()).tasks("d", "r")
    assert len(tasks) == 130
    assert tasks["t129"] == TaskInfo("", 1)


# --- interrupts, certificates, proxies ----------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [False, True], ids=["between two requests", "in a request"])
def test_an_interrupt_ends_the_wait(airflow: FakeAirflow, slow: bool) -> None:
    over = threading.Event()

    def answer(*_: str) -> Answer:
        if slow:
            over.wait(20)
        return 503, {}

    airflow.answer = version(1, answer)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell runs the tests behind
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    api = AirflowApi(airflow.url, Account(), patience=60)
    assert api.connection.version == 1
    timer = threading.Timer(0.4, interrupt)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            api.dag("x")
        assert time.monotonic() - sent[0] < 0.3
    finally:
        over.set()
        timer.join()
        signal.signal(signal.SIGINT, before)


def test_a_certificate_must_be_valid_unless_the_user_allows_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.certify("airflow", "127.0.0.1"))
    with serving(context) as airflow:
        airflow.answer = version(1, lambda *_: (200, DAG))
        with pytest.raises(AirflowUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
            AirflowApi(airflow.url, Account(), patience=0).dag("x")
        assert AirflowApi(airflow.url, Account(), verify_tls=False, patience=0).dag("x") is not None
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))  # as if this machine trusted it
        assert AirflowApi(airflow.url, Account(), patience=0).dag("x") is not None


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_proxy_of_the_environment_is_used_where_it_applies(
    airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    airflow.answer = lambda *_: (200, {})
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", scheme + airflow.url.removeprefix("http://"))
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:9")
    assert AirflowApi("http://airflow.invalid:8080", Account(), patience=0).connection.version == 2
    assert airflow.requests[-1][1] == "http://airflow.invalid:8080/api/v2/version"
    monkeypatch.setenv("no_proxy", "airflow.invalid")
    with pytest.raises(AirflowUnavailableError):
        AirflowApi("http://airflow.invalid:8080", Account(), patience=0).dag("x")
