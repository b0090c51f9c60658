"""What is measured: the load, the time to answers, and how many answers a second."""

import http.client
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from peers import agreement, connection
from peers.bodies import Bodies
from peers.connection import BadAnswerError, Connection
from peers.dataset import Part
from peers.questions import Kind, Question, Times
from peers.servers import VERISCOPE, VICTORIA_METRICS, Candidate
from server_process import ServerProcess
from veriscope.signals import to_labels
from veriscope.wire import remote_write

_BUSY: Final = frozenset({http.client.TOO_MANY_REQUESTS, http.client.SERVICE_UNAVAILABLE})
_RETRY_S: Final = 0.05
_SETTLE_S: Final = 120
_VISIT_S: Final = 0.05
_VISITS: Final = 5


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs."""

    candidate: Candidate
    server: ServerProcess

    @property
    def name(self) -> str:
        """Its name, as the table's column has it."""
        return self.candidate.name


@dataclass(frozen=True, slots=True)
class Load:
    """What taking samples in cost."""

    samples_per_second: float
    """From the first request to the last answer."""
    cpu_seconds_per_million: float
    """Until the server has become idle."""


def warm_up(readings: int) -> Part:
    """Return a few series beside the others, for what a process does once in its life."""
    labels = tuple(
        to_labels({"__name__": "warm_up", "number": str(number)}) for number in range(100)
    )
    return Part(labels, np.tile(np.arange(readings, dtype=np.float64), (len(labels), 1)))


def load(running: Running, bodies: Bodies) -> Load:
    """Post *bodies* as fast as they are accepted, each sender's in its order; let it settle."""
    server = running.server
    server.wait_until_idle(patience_s=_SETTLE_S)
    before = server.cpu_seconds()
    begun = time.monotonic()
    _run_together(
        [lambda bodies=sender: _send(server, bodies) for sender in bodies.senders]  # type: ignore[misc]
    )
    seconds = time.monotonic() - begun
    server.wait_until_idle(patience_s=_SETTLE_S)
    used = server.cpu_seconds() - before
    running.candidate.show(server)
    return Load(bodies.samples / seconds, used / (bodies.samples / 1e6))


def _send(server: ServerProcess, bodies: Sequence[memoryview]) -> None:
    headers = (
        ("Content-Type", remote_write.CONTENT_TYPE),
        ("Content-Encoding", "snappy"),
        ("X-Prometheus-Remote-Write-Version", "0.1.0"),
    )
    sender = Connection(server.host, server.port)
    for body in bodies:
        head = connection.post("/api/v1/write", headers, len(body))
        while (answer := sender.ask(head, body, keep=True)).status in _BUSY:
            time.sleep(_RETRY_S)
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise BadAnswerError(f"a write was answered {answer.status}: {answer.body()[:300]!r}")
    sender.close()


def _run_together(work: Sequence[Callable[[], None]]) -> None:
    """Run each in a thread; raises the first error of any."""
    errors: list[BaseException] = []

    def guarded(part: Callable[[], None]) -> None:
        try:
            part()
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(part,)) for part in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A server answered a question differently than Prometheus, or refused it."""

    question: str
    server: str
    told: list[str]
    refused: bool = False


def compare(
    servers: Sequence[Running], asked: Sequence[Question], when: Times
) -> list[Disagreement]:
    """
    Ask each question of all, the first server's answers being right; say who differs.

    Ours is asked again with its result cache, twice: what it keeps and what it gives from it must
    be right too. Raises `BadAnswerError` where the first has nothing to say: a question that
    selects nothing measures nothing.
    """
    found = []
    connections = _connect(servers)
    for question in asked:
        first, *others = servers
        expected = _answer(first, connections, question.request(when), question)
        if not expected:
            raise BadAnswerError(f"{first.name} has no answer for {question.text}")
        for other in others:
            if question.not_compared and other.name == VICTORIA_METRICS:
                continue
            for name, extra in _ways(other, question):
                request = question.request(when, extra)
                try:
                    answer = _answer(other, connections, request, question)
                except BadAnswerError as error:
                    found.append(Disagreement(question.text, name, [str(error)], refused=True))
                    continue
                if told := agreement.differences(expected, answer):
                    found.append(Disagreement(question.text, name, told))
    _close(connections)
    return found


def _ways(running: Running, question: Question) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Return how a server is asked for an answer that is compared: names and parameters."""
    fresh = (running.name, running.candidate.uncached)
    if running.name == VERISCOPE and question.kind is not Kind.LARGE:
        return [fresh, (f"{running.name}, filling its cache", ()), (f"{running.name}, cached", ())]
    return [fresh]


def _answer(
    running: Running, connections: Mapping[str, Connection], request: bytes, question: Question
) -> agreement.Answer:
    answer = agreement.read(connections[running.name].fetch(request))
    if question.keeps_names:
        answer = agreement.without_names(answer)
    return agreement.by_rank(answer) if question.ranked and answer else answer


def latencies(
    servers: Sequence[Running],
    asked: Sequence[Question],
    when: Times,
    *,
    rounds: int,
) -> dict[str, dict[str, list[float]]]:
    """
    Return the seconds that each question took each server: `seconds[question][server]`.

    The servers take turns, and who is first changes from round to round. Short answers are asked
    for a few times at each turn.
    """
    seconds = {
        question.text: {running.name: list[float]() for running in servers} for question in asked
    }
    connections = _connect(servers)
    for number in range(rounds):
        for question in asked:
            for place in range(len(servers)):
                running = servers[(place + number) % len(servers)]
                request = question.request(when, running.candidate.uncached)
                seconds[question.text][running.name] += _visit(connections[running.name], request)
    _close(connections)
    return seconds


def _visit(peer: Connection, request: bytes) -> list[float]:
    seconds: list[float] = []
    while len(seconds) < _VISITS and sum(seconds) < _VISIT_S:
        begun = time.perf_counter()
        answer = peer.ask(request)
        seconds.append(time.perf_counter() - begun)
        if answer.status != http.client.OK:
            raise BadAnswerError(f"{answer.status} for {request!r}")
    return seconds


def throughput(
    servers: Sequence[Running],
    mixes: Mapping[str, Sequence[bytes]],
    *,
    clients: int,
    seconds: float,
    rounds: int,
) -> dict[str, float]:
    """Return the answers a second of each server, asked *mixes* of its name; the median of some."""
    seen = {name: list[float]() for name in mixes}
    for number in range(rounds):
        for place in range(len(servers)):
            running = servers[(place + number) % len(servers)]
            driven = connection.drive(
                running.server.host,
                running.server.port,
                mixes[running.name],
                clients=clients,
                seconds=seconds,
            )
            seen[running.name].append(driven.per_second)
    return {name: statistics.median(figures) for name, figures in seen.items()}


def _connect(servers: Sequence[Running]) -> dict[str, Connection]:
    return {
        running.name: Connection(running.server.host, running.server.port) for running in servers
    }


def _close(connections: Mapping[str, Connection]) -> None:
    for each in connections.values():
        each.close()
