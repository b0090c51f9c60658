"""Clients that are broken, clumsy or hostile: each gets an answer, and nobody else is harmed."""

import http.client
import json
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pytest

from veriscope.signals import SampleBatch, to_labels
from veriscope.wire import remote_write

pytestmark = pytest.mark.fault

_HEADERS: Final = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_NOW: Final = int(time.time())


def address(server: Any) -> tuple[str, int]:
    """Return where *server* listens."""
    found = urllib.parse.urlsplit(server.url)
    return found.hostname, found.port


def ask(
    server: Any, method: str, path: str, body: bytes | None = None, headers: Any = None
) -> tuple[int, bytes]:
    """Return status and body of the answer, on a connection of its own."""
    connection = http.client.HTTPConnection(*address(server), timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def write(server: Any, body: bytes) -> int:
    """Post *body*, compressed already or not at all, and return the status."""
    return ask(server, "POST", "/api/v1/write", body, _HEADERS)[0]


def message(metric: str, number: int, series: int = 20) -> bytes:
    """Return remote write message *number* of *metric*, at a second of its own."""
    labels = tuple(to_labels({"__name__": metric, "i": str(i)}) for i in range(series))
    return remote_write.encode(
        SampleBatch.at(labels, np.full(series, float(number)), (_NOW - number) * 1000)
    )


def mutated(whole: bytes, chance: random.Random) -> bytes:
    """Return *whole* with some of its bytes changed, lost, doubled or made endless."""
    out = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(5):
            case 0:
                out[at : at + 1] = chance.randbytes(1)
            case 1:
                del out[at : at + chance.randint(1, 10)]
            case 2:
                out[at:at] = chance.randbytes(chance.randint(1, 12))
            case 3:
                out[at:at] = b"\xff" * chance.randint(1, 10)
            case _:
                del out[at:]
    return bytes(out)


def counts(server: Any, metric: str) -> dict[int, int]:
    """Return how many samples of each message of *metric* are stored."""
    found: dict[int, int] = {}
    for series in server.query(f"{metric}[1h]", time=str(_NOW + 1)):
        for _, value in series["values"]:
            found[int(float(value))] = found.get(int(float(value)), 0) + 1
    return found


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a server that many tests are rude to, and that must live and log no fault."""
    log = tmp_path_factory.mktemp("shared") / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "veriscope", "server", "--listen", "127.0.0.1:0"),
                *("--data", str(log.parent / "data")),
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        yield SimpleNamespace(url=process.stdout.readline().split()[-1])
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in log.read_text()


def test_mutated_bodies_harm_no_good_one(run_server: Callable[..., Any], tmp_path: Path) -> None:
    """Among hostile bodies every good one gets 204 and is stored whole; none makes a 500."""
    server, good = run_server(tmp_path), range(1, 200)
    statuses: list[int] = []
    bad: set[int] = set()
    done = threading.Event()

    def send_good(first: int) -> None:
        statuses.extend(
            write(server, remote_write.compress(message("good", number)))
            for number in good[first::2]
        )

    def send_bad(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - a repeatable fuzzer
        while not done.is_set():
            whole = message("hostile", chance.randrange(1_000), 3)
            if chance.random() < 0.7:
                bad.add(write(server, remote_write.compress(mutated(whole, chance))))
            else:
                bad.add(write(server, mutated(remote_write.compress(whole), chance)))

    attackers = [threading.Thread(target=send_bad, args=(seed,)) for seed in range(3)]
    writers = [threading.Thread(target=send_good, args=(first,)) for first in range(2)]
    for thread in (*attackers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in attackers:
        thread.join()
    assert statuses == [204] * len(good)
    assert bad <= {204, 400, 413}
    assert counts(server, "good") == dict.fromkeys(good, 20)


_ODD_QUESTIONS: Final = {
    "open parentheses": ("query", {"query": "(" * 5_000}),
    "minus signs": ("query", {"query": "-" * 5_000 + "1"}),
    "long name": ("query", {"query": "m" * 2_000_000}),
    "nul": ("query", {"query": "\0"}),
    "repeated repetition": ("query", {"query": '{a=~"(a{1000}){1000}"}'}),
    "time nan": ("query", {"query": "1", "time": "nan"}),
    "no such date": (
        "query_range",
        {"query": "1", "start": "2020-13-45T99:99:99Z", "end": "1", "step": "1"},
    ),
    "no such offset": (
        "query_range",
        {"query": "1", "start": "1", "end": "9999-12-31T23:59:59-23:59"},
    ),
    "huge step": (
        "query_range",
        {"query": "1", "start": "1", "end": "2", "step": "9999999999999y"},
    ),
    "endless step": (
        "query_range",
        {"query": "1", "start": "1", "end": "2", "step": "9" * 400 + "y"},
    ),
    "negative step": ("query_range", {"query": "1", "start": "1", "end": "2", "step": "-1"}),
    "too many steps": ("query_range", {"query": "1", "start": "0", "end": str(_NOW), "step": "1"}),
    "open matcher": ("series", {"match[]": "m{"}),
    "endless limit": ("labels", {"limit": "9" * 5_000}),
}


@pytest.mark.parametrize(("path", "parameters"), _ODD_QUESTIONS.values(), ids=_ODD_QUESTIONS)
def test_an_odd_question_gets_a_reason(
    shared_server: Any, path: str, parameters: dict[str, str]
) -> None:
    """Prometheus' envelope with 4xx, never a fault of the server."""
    form = urllib.parse.urlencode(parameters).encode()
    status, body = ask(shared_server, "POST", f"/api/v1/{path}", form, _FORM)
    assert status in (400, 422), body[:300]
    answer = json.loads(body)
    assert answer["status"] == "error"
    assert answer["error"]
    assert "SELECT" not in answer["error"]


@pytest.mark.parametrize("name", ["U__D800_", "U__ffffffffff_", "U___zz_", "%00", "%ff"])
def test_an_odd_label_name_is_no_fault(shared_server: Any, name: str) -> None:
    """It is either no name, or the name of no label."""
    assert ask(shared_server, "GET", f"/api/v1/label/{name}/values")[0] in (200, 400)


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\x00garbage\r\n\r\n",
        b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
        (
            b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["garbage", "bad chunk", "endless length", "two lengths", "long path"],
)
def test_broken_http_is_answered_as_such(shared_server: Any, head: bytes) -> None:
    """400 and the connection is closed."""
    with socket.create_connection(address(shared_server), 10) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.alone("it must answer soon under load")
def test_slow_and_vanishing_clients_hold_nobody_up(
    run_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Bodies that never end and answers that nobody reads leave the server as quick as before."""
    server = run_server(tmp_path)
    body = remote_write.compress(message("m", 1, 500))
    head = f"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    slow = [socket.create_connection(address(server), 10) for _ in range(100)]
    for connection in slow:
        connection.sendall(head + body[:10])
    assert write(server, body) == 204
    heavy = b"GET /api/v1/query?query=sum_over_time(m[30d:1s]) HTTP/1.1\r\nHost: x\r\n\r\n"
    for _ in range(40):
        with socket.create_connection(address(server), 10) as connection:
            connection.sendall(heavy)
    started = time.monotonic()
    assert ask(server, "GET", "/-/healthy")[0] == 200
    assert time.monotonic() - started < 10
    for connection in slow:
        connection.close()
    assert write(server, body) == 204
    answer = server.get("/api/v1/query", query="m", time=str(_NOW))
    deadline = time.monotonic() + 60
    while answer["status"] == "error" and time.monotonic() < deadline:
        # Queries whose clients have gone may still be at work; then the answer is to come back.
        assert answer["errorType"] in ("unavailable", "timeout"), answer
        answer = server.get("/api/v1/query", query="m", time=str(_NOW))
    assert len(answer["data"]["result"]) == 500


@pytest.mark.alone("it must answer soon under load")
def test_a_stop_under_heavy_load_is_clean(run_server: Callable[..., Any], tmp_path: Path) -> None:
    """Heavy queries and writes together: it stays responsive, stops in time, and loses nothing."""
    server, stop = run_server(tmp_path), threading.Event()
    acknowledged: set[int] = set()

    def load(worker: int) -> None:
        with suppress(OSError, HTTPException):
            for number in range(1 + worker, 3_000, 4):
                if stop.is_set():
                    return
                if write(server, remote_write.compress(message("m", number))) == 204:
                    acknowledged.add(number)

    def query() -> None:
        with suppress(OSError, HTTPException):
            while not stop.is_set():
                ask(server, "GET", "/api/v1/query?query=" + "sum(max_over_time(m[1h:1s]))")

    threads = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
    threads += [threading.Thread(target=query) for _ in range(8)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while len(acknowledged) < 200 and time.monotonic() < deadline:
        started = time.monotonic()
        assert ask(server, "GET", "/-/healthy")[0] == 200
        assert time.monotonic() - started < 10
    assert server.stop() == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert len(acknowledged) >= 200
    stored = counts(run_server(tmp_path), "m")
    assert {number for number in acknowledged if stored.get(number) != 20} == set()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 24 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_refuses_and_recovers(run_server: Callable[..., Any], small_disk: Path) -> None:
    """Writes get a 5xx, so that clients send again; with space freed all goes on, none lost."""
    server = run_server(small_disk / "data")
    assert write(server, remote_write.compress(message("m", 1))) == 204
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(64 << 10))
    labels = tuple(to_labels({"__name__": "big", "i": str(i)}) for i in range(20_000))
    big = SampleBatch.at(labels, np.random.default_rng(1).random(20_000), _NOW * 1000)
    assert write(server, remote_write.compress(remote_write.encode(big))) in (500, 503)
    assert ask(server, "GET", "/-/healthy")[0] == 200
    assert counts(server, "m") == {1: 20}
    ballast.unlink()
    assert write(server, remote_write.compress(remote_write.encode(big))) == 204
    assert server.query("count(big)", time=str(_NOW))[0]["value"][1] == "20000"
    assert server.stop() == 0
    assert counts(run_server(small_disk / "data"), "m") == {1: 20}
