"""What a label set must be, and the id of its series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from veriscope.signals import Labels
from veriscope.store import identity_kernels as kernels
from veriscope.store.errors import RefusedError
from veriscope.wire.remote_write_columns import LabelSpans

_NOT_UTF8: Final = "a label name or value is not valid UTF-8"
_REFUSALS: Final[Mapping[int, str]] = {
    kernels.NAMELESS_LABEL: "a label name is empty; give every label a name",
    kernels.NO_METRIC: "a series has no __name__ label; give every series a metric name",
    kernels.TWICE: "a series has the same label name twice",
    kernels.TOO_MANY: f"a series has more than {kernels.MAX_LABELS} labels",
    kernels.TOO_LONG: f"a label name is longer than {kernels.MAX_NAME_BYTES:,} bytes"
    f" or a label value longer than {kernels.MAX_VALUE_BYTES:,} bytes",
}


@dataclass(frozen=True, slots=True, eq=False)
class Identified:
    """
    Label sets that keep every rule, in columns: id, metric and labels of each.

    The labels are sorted by name and none is empty. `metrics` are strings, `labels` a map of them.
    """

    ids: NDArray[np.uint64]
    metrics: pa.Array
    labels: pa.MapArray

    def __len__(self) -> int:
        """Count the label sets."""
        return len(self.ids)

    def take(self, places: NDArray[np.int64]) -> "Identified":
        """Return those at *places*, in that order."""
        if len(places) == len(self) and np.array_equal(places, np.arange(len(self))):
            return self
        return Identified(
            self.ids[places],
            self.metrics.take(pa.array(places)),
            self.labels.take(pa.array(places)),
        )


def identify(sent: LabelSpans) -> Identified:
    """
    Return id, metric and labels of the series that were *sent* so: any order, any bytes.

    A label with an empty value is an absent one. The id is what ClickHouse's `xxh3` makes of names
    and values, with separators between them that UTF-8 cannot hold, so that no two label sets
    spell the same bytes. Raises `RefusedError` where a label set breaks a rule.
    """
    text, pairs = np.frombuffer(sent.text, dtype=np.uint8), sent.pairs
    sets, count = len(sent), len(pairs)
    name_bytes = int((pairs[:, 1] - pairs[:, 0]).sum())
    value_bytes = int((pairs[:, 3] - pairs[:, 2]).sum())
    spelt = np.empty(name_bytes + value_bytes + 2 * count, dtype=np.uint8)
    names = np.empty(name_bytes, dtype=np.uint8)
    values = np.empty(value_bytes, dtype=np.uint8)
    spelt_ends, metrics = np.zeros(sets + 1, dtype=np.int64), np.empty(sets, dtype=np.int64)
    name_ends, value_ends, set_ends = (
        np.zeros(size + 1, dtype=np.int32) for size in (count, count, sets)
    )
    verdict = kernels.spell(
        text,
        sent.offsets,
        pairs,
        spelt,
        spelt_ends[1:],
        names,
        name_ends[1:],
        values,
        value_ends[1:],
        set_ends[1:],
        metrics,
    )
    if verdict != kernels.GOOD:
        raise RefusedError(_REFUSALS[verdict])
    total, view = int(set_ends[-1]), spelt.data
    ids = [xxh3_64_intdigest(view[start:end]) for start, end in pairwise(spelt_ends.tolist())]
    both = _strings(name_ends[: total + 1], names), _strings(value_ends[: total + 1], values)
    return Identified(
        np.array(ids, dtype=np.uint64),
        both[1].take(pa.array(metrics)),
        pa.MapArray.from_arrays(pa.array(set_ends), *both),
    )


def identify_text(label_sets: Sequence[Labels]) -> Identified:
    """Return the same for *label_sets* that are text; raises `RefusedError` likewise."""
    try:
        texts = [text.encode() for labels in label_sets for pair in labels for text in pair]
    except UnicodeEncodeError as error:
        # A lone surrogate, such as JSON can spell: Python takes it for text, UTF-8 does not.
        raise RefusedError(f"a label or help text is not valid Unicode: {error}") from error
    ends = np.cumsum([0, *map(len, texts)])
    spans = np.stack((ends[:-1], ends[1:]), axis=1).reshape(-1, 4)
    return identify(LabelSpans(b"".join(texts), np.cumsum([0, *map(len, label_sets)]), spans))


def _strings(ends: NDArray[np.int32], text: NDArray[np.uint8]) -> pa.Array:
    found = pa.StringArray.from_buffers(
        len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text[: ends[-1]])
    )
    try:
        found.validate(full=True)
    except pa.ArrowInvalid as error:
        raise RefusedError(_NOT_UTF8) from error
    return found
