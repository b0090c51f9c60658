"""Inserts samples: request bodies as they came, and batches of the collectors as Arrow."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from veriscope.signals import Labels, MetricMetadata, SampleBatch
from veriscope.store.engine import Engine
from veriscope.store.errors import RefusedError
from veriscope.wire import remote_write

_LABEL: Final = pa.struct([("name", pa.string()), ("value", pa.string())])
# Collectors repeat their metadata with each batch; what was stored is not stored again.
_MAX_TOLD: Final = 100_000


class MetricWriter:
    """
    Writes metrics. A call returns when all of it is durable.

    Raises `RefusedError` where something of it is malformed or against a rule; then all of it
    should be sent again in smaller parts, which is safe: a sample is stored once however often
    it is sent. Raises `EngineError` when the engine fails.
    """

    _REMEMBERED_LOOK_UPS: Final = 256

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told: set[MetricMetadata] = set()
        self._encoded: OrderedDict[int, _Encoded] = OrderedDict()
        self._look_ups = 0

    def insert_remote_write(self, bodies: Sequence[bytes]) -> None:
        """Insert uncompressed `WriteRequest` messages; the engine decodes them."""
        self._engine.insert_protobuf(
            "remote_write", remote_write.frame(bodies), remote_write.SCHEMA, remote_write.MESSAGE
        )

    def insert_batches(self, batches: Sequence[SampleBatch]) -> None:
        """Insert *batches*, and their metadata."""
        try:
            self._insert_batches(batches)
        except UnicodeEncodeError as error:
            # A lone surrogate, such as JSON can spell: Python takes it for text, UTF-8 does not.
            raise RefusedError(f"a label or help text is not valid Unicode: {error}") from error

    def _insert_batches(self, batches: Sequence[SampleBatch]) -> None:
        rows = [self._rows(batch) for batch in batches if len(batch)]
        if rows:
            self._engine.insert_arrow("incoming", pa.concat_tables(rows))
        if metadata := {known for batch in batches for known in batch.metadata} - self._told:
            columns = {
                "metric": [known.name for known in metadata],
                "type": [str(known.type) for known in metadata],
                "help": [known.help for known in metadata],
                "unit": [known.unit for known in metadata],
            }
            self._engine.insert_arrow("metric_metadata", pa.table(columns))
            self._told = metadata if len(self._told) > _MAX_TOLD else self._told | metadata

    def _rows(self, batch: SampleBatch) -> pa.Table:
        order = np.argsort(batch.series, kind="stable")
        ends = np.cumsum(np.bincount(batch.series, minlength=len(batch.labels)))
        offsets = pa.array(np.concatenate(([0], ends)).astype(np.int32))
        samples = pa.StructArray.from_arrays(
            [pa.array(batch.values[order]), pa.array(batch.timestamps_ms[order])],
            names=["value", "timestamp"],
        )
        return pa.table(
            {
                "labels": self._label_column(batch.labels),
                "samples": pa.ListArray.from_arrays(offsets, samples),
            }
        )

    def _label_column(self, label_sets: tuple[Labels, ...]) -> pa.Array:
        # Collectors hand over the same tuple each time, so its identity is a key; the cache
        # holds on to the tuple, so that the identity cannot come to mean another one. A collector
        # whose series change leaves a tuple behind each time: what was not asked for lately goes,
        # or a few hundred dead tuples would fill the memory.
        self._look_ups += 1
        key = id(label_sets)
        found = self._encoded.pop(key, None)
        column = _encode_labels(label_sets) if found is None else found.column
        self._encoded[key] = _Encoded(label_sets, column, self._look_ups)
        forgotten = self._look_ups - self._REMEMBERED_LOOK_UPS
        while next(iter(self._encoded.values())).used_at <= forgotten:
            self._encoded.popitem(last=False)
        return column


@dataclass(frozen=True, slots=True)
class _Encoded:
    """The label column of one tuple of label sets, and the number of its last look-up."""

    label_sets: tuple[Labels, ...]
    column: pa.Array
    used_at: int


def _encode_labels(label_sets: tuple[Labels, ...]) -> pa.Array:
    pairs = [pair for labels in label_sets for pair in labels]
    ends = np.cumsum([len(labels) for labels in label_sets], dtype=np.int32)
    labels = pa.StructArray.from_arrays(
        [
            pa.array([name for name, _ in pairs], pa.string()),
            pa.array([value for _, value in pairs], pa.string()),
        ],
        fields=list(_LABEL),
    )
    return pa.ListArray.from_arrays(pa.array(np.concatenate(([0], ends)).astype(np.int32)), labels)
