"""Makes the store's compiled kernels ready before the first request needs them."""

from typing import Final

import numpy as np

from veriscope.signals import SampleBatch
from veriscope.store import head
from veriscope.store.identity import identify
from veriscope.store.known import KnownSeries, RowTable
from veriscope.wire.remote_write import encode
from veriscope.wire.remote_write_points import read_histograms
from veriscope.wire.remote_write_v1 import decode_v1
from veriscope.wire.remote_write_v2 import decode_v2

_KEY: Final = (1, 2)
# One series, whose labels are the symbols 1 and 1, and a sample without anything.
_REQUEST: Final = b"\x22\x00\x22\x01a\x2a\x06\x0a\x02\x01\x01\x12\x00"


def warm_up() -> None:
    """
    Compile every kernel of reading and writing, or load it from disk.

    The first time on a machine that takes some seconds, later a few tenths of one. Safe to call
    beside requests, which then wait no longer than they would have.
    """
    batch = SampleBatch.at(((("__name__", "a"),),), np.ones(1), 0)
    columns = decode_v1(encode(batch), _KEY)
    identify(columns.senders.labels(np.zeros(1, dtype=np.int64)))
    decode_v2(_REQUEST, _KEY)
    read_histograms(np.frombuffer(b"\x08\x00", dtype=np.uint8), np.array([[0, 2]]))
    table = RowTable()
    table.add(columns.keys, np.zeros(1, dtype=np.int32))
    table.find(columns.keys)
    known = KnownSeries()
    rows = known.add([known.number_of("a")], [1], 0)
    known.starts(rows, columns.timestamps_ms, columns.timestamps_ms)
    head.warm_up()
