"""Kernels that are ready before they are needed."""

from collections.abc import Callable
from typing import Any

_SCRIPT = """
    import numpy as np
    from veriscope.signals import SampleBatch
    from veriscope.store import identity_kernels, known_kernels
    from veriscope.store.identity import identify
    from veriscope.store.known import KnownSeries
    from veriscope.store.warming import warm_up
    from veriscope.wire import (
        remote_write, remote_write2_kernels, remote_write_histogram_kernels, remote_write_kernels,
    )
    from veriscope.wire.protobuf_fields import delimited
    from veriscope.wire.remote_write_v1 import decode_v1
    from veriscope.wire.remote_write_v2 import decode_v2

    modules = (
        identity_kernels, known_kernels, remote_write2_kernels, remote_write_histogram_kernels,
        remote_write_kernels,
    )

    def compiled():
        kernels = [value for module in modules for value in vars(module).values()]
        return sum(len(value.signatures) for value in kernels if hasattr(value, "signatures"))

    warm_up()
    before = compiled()
    assert before
    batch = SampleBatch.at(tuple((("__name__", str(i)),) for i in range(9)), np.ones(9), 5)
    histogram = delimited(4, bytes((0x08, 0)))
    series = delimited(1, histogram + bytes((0x1A, 0)))
    identify(decode_v1(remote_write.encode(batch), (3, 4)).senders.labels(np.arange(9)))
    for columns in (
        decode_v1(remote_write.encode(batch) + 3 * series, (3, 4)),
        decode_v2(bytes((0x22, 0, 0x2A, 4, 0x1A, 0, 0x1A, 0)), (3, 4)),
    ):
        columns.senders.labels(np.arange(len(columns.keys)))
        known = KnownSeries()
        rows = known.add([known.number_of("m")] * 2, [1, 2], 0)
        known.name(columns.keys[:2], rows[: len(columns.keys)])
        known.find(columns.keys)
        known.find_ids(known.ids)
    assert compiled() == before, "a request had to wait for the compiler"
"""


def test_no_request_waits_for_a_compiler(run_python: Callable[..., Any]) -> None:
    """Every kernel of the write path was compiled for just the types that requests have."""
    ended = run_python(_SCRIPT)
    assert ended.code == 0, ended.err
