"""The doors for metrics: what they count."""

from collections.abc import Callable, Sequence

import pytest
from prometheus_client import CollectorRegistry

from veriscope.ingest import IngestOptions, MetricIngest
from veriscope.signals import InvalidInputError, VeriscopeError
from veriscope.store import MetricRequest
from veriscope.wire.remote_write import compress
from veriscope.wire.remote_write_columns import WriteColumns
from veriscope.wire.remote_write_v1 import decode_v1

KEY = (1, 2)


def decode(message: memoryview, _version: int, recall: Callable[[], bytes]) -> WriteColumns:
    """Read a message of remote write 1.0."""
    return decode_v1(message, KEY, recall)


def insert(_requests: Sequence[MetricRequest]) -> list[VeriscopeError | None]:
    """Fail: no request of these tests may come as far."""
    pytest.fail("a malformed request was stored")


@pytest.mark.parametrize("body", [b"", b"not snappy at all", compress(b"\xff" * 20), b"x" * 5_000])
async def test_a_request_that_cannot_be_read_is_counted_as_refused(body: bytes) -> None:
    """An operator sees a broken sender in the same counter as every other refusal."""
    registry = CollectorRegistry()
    options = IngestOptions(max_body_bytes=4_096)
    ingest = MetricIngest(options, decode=decode, insert=insert, registry=registry)
    with pytest.raises(InvalidInputError):
        await ingest.accept_remote_write(body)
    labels = {"door": "remote_write", "outcome": "refused"}
    assert registry.get_sample_value("veriscope_ingest_requests_total", labels) == 1
