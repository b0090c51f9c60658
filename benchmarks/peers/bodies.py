"""Remote write bodies, encoded before anything is timed and kept in a file, mapped into memory."""

import itertools
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import write_load
from peers.dataset import INTERVAL_S, Part
from veriscope.wire import remote_write

BATCH: Final = 10_000
"""Samples in a body: what TSBS's loaders send at once."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """What each sender posts, in its order: `senders[i][j]` is a compressed body."""

    senders: tuple[tuple[memoryview, ...], ...]
    samples: int
    size_bytes: int


def encode(parts: Sequence[Part], first_s: int, file: Path) -> Bodies:
    """
    Encode *parts* into *file*, their first readings at *first_s* (Unix seconds).

    As Prometheus does, a sender repeats the labels with every sample, keeps its series in the
    order of time, and joins samples to bodies of a size: some `BATCH` of them, all its series at a
    few times.
    """
    ends: list[list[int]] = []
    with file.open("wb") as out:
        for part in parts:
            ends.append([])
            for body in _bodies(part, first_s):
                out.write(body)
                ends[-1].append(out.tell())
    with file.open("rb") as kept:
        view = memoryview(mmap.mmap(kept.fileno(), 0, access=mmap.ACCESS_READ))
    edges = itertools.pairwise([0, *itertools.chain.from_iterable(ends)])
    pieces = (view[start:end] for start, end in edges)
    return Bodies(
        tuple(tuple(itertools.islice(pieces, len(sender))) for sender in ends),
        sum(part.values.size for part in parts),
        len(view),
    )


def _bodies(part: Part, first_s: int) -> Iterator[bytes]:
    template = write_load.BodyTemplate(part.labels)
    readings = part.values.shape[1]
    together = max(1, round(BATCH / len(part.labels)))
    for start in range(0, readings, together):
        yield remote_write.compress(
            b"".join(
                template.message(part.values[:, at], (first_s + at * INTERVAL_S) * 1000)
                for at in range(start, min(start + together, readings))
            )
        )
