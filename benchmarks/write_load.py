"""Pre-encoded remote write bodies, and clients that post them as fast as they are accepted."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.signals import Labels, SampleBatch, to_labels
from veriscope.wire import remote_write
from veriscope.wire.protobuf_fields import varint


def host_series(count: int) -> tuple[Labels, ...]:
    """Return *count* series like those of hosts: ten metrics, a hundred series a host."""
    return tuple(
        to_labels(
            {
                "__name__": f"cpu_usage_{number % 10}",
                "core": str(number % 100),
                "host": f"host_{number // 100}",
                "instance": f"10.0.0.{number // 100}:9100",
                "job": "node",
                "region": ("eu", "us", "ap")[number % 3],
            }
        )
        for number in range(count)
    )


class BodyTemplate:
    """Encodes the same series again and again: only times and values are written anew."""

    def __init__(self, series: tuple[Labels, ...]) -> None:
        marks = np.arange(len(series), dtype=np.float64) + 0.5
        self._bytes = np.frombuffer(
            remote_write.encode(SampleBatch.at(series, marks, _TEMPLATE_TIME_MS)), dtype=np.uint8
        )
        offsets, start, raw = [], 0, self._bytes.tobytes()
        for mark in marks:
            start = raw.index(b"\x12\x10\x09" + np.float64(mark).tobytes(), start) + 3
            offsets.append(start)
        self._values = np.array(offsets)[:, None] + np.arange(8)
        self._times = np.array(offsets)[:, None] + 9 + np.arange(6)

    def message(self, values: NDArray[np.float64], time_ms: int) -> bytes:
        """Return a request: one sample a series, all at *time_ms*. Requests may be joined."""
        message = self._bytes.copy()
        message[self._values] = values.astype("<f8").view(np.uint8).reshape(-1, 8)
        encoded = varint(time_ms)
        message[self._times] = np.frombuffer(encoded, dtype=np.uint8)
        return message.tobytes()

    def body(self, values: NDArray[np.float64], time_ms: int) -> bytes:
        """Return the same, compressed."""
        return remote_write.compress(self.message(values, time_ms))


_TEMPLATE_TIME_MS = 1_700_000_000_000


def counters(series: int, seed: int = 7) -> Iterator[NDArray[np.float64]]:
    """Yield the readings of *series* counters, each time grown by random integers."""
    random = np.random.default_rng(seed)
    values = np.zeros(series)
    while True:
        values = values + random.integers(0, 1000, series)
        yield values


Post: TypeAlias = Callable[[http.client.HTTPConnection, bytes], int]
"""Sends a body over a connection and returns the HTTP status."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load run did."""

    seconds: float
    accepted: int
    refused: int


def post_all(
    host: str,
    port: int,
    bodies: list[bytes],
    connections: int,
    on_accepted: Callable[[int], None] = lambda _: None,
    *,
    post: Post | None = None,
) -> LoadResult:
    """
    Post *bodies* over *connections*, each body once and again while it is answered 503.

    *on_accepted* is called with the index of each body that was answered 2xx. *post* sends one
    and returns the status; by default as remote write.
    """
    send = post or _post
    waiting = iter(range(len(bodies)))
    lock = threading.Lock()
    accepted = refused = 0

    def work() -> None:
        nonlocal accepted, refused
        connection = http.client.HTTPConnection(host, port, timeout=60)
        while True:
            with lock:
                index = next(waiting, None)
            if index is None:
                break
            while (status := send(connection, bodies[index])) == http.client.SERVICE_UNAVAILABLE:
                time.sleep(0.05)
            with lock:
                if status < http.client.MULTIPLE_CHOICES:
                    accepted += 1
                    on_accepted(index)
                else:
                    refused += 1
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return LoadResult(time.monotonic() - begun, accepted, refused)


def _post(connection: http.client.HTTPConnection, body: bytes) -> int:
    headers = {
        "Content-Type": remote_write.CONTENT_TYPE,
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    connection.request("POST", "/api/v1/write", body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status
