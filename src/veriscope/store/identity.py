"""What a label set must be, and the id of its series."""

from collections.abc import Iterable
from typing import Final

from xxhash import xxh3_64_intdigest

from veriscope.signals import METRIC_NAME, Labels
from veriscope.store.errors import RefusedError

_MAX_LABELS: Final = 128
_MAX_NAME_BYTES: Final = 1024
_MAX_VALUE_BYTES: Final = 65_535
_NAME: Final = METRIC_NAME.encode()


def identify(sent: Iterable[tuple[bytes, bytes]]) -> tuple[str, int, Labels]:
    """
    Return metric, id and labels of the series that was *sent* so: any order, any bytes.

    A label with an empty value is an absent one. The id is what ClickHouse's `xxh3` makes of names
    and values, with separators between them that UTF-8 cannot hold, so that no two label sets spell
    the same bytes. Raises `RefusedError` where *sent* breaks a rule
    of label sets.
    """
    pairs = sorted(pair for pair in sent if pair[1] or not pair[0])
    names = {name for name, _ in pairs}
    if b"" in names:
        raise RefusedError("a label name is empty; give every label a name")
    if _NAME not in names:
        raise RefusedError("a series has no __name__ label; give every series a metric name")
    try:
        labels = tuple([(name.decode(), value.decode()) for name, value in pairs])
    except UnicodeDecodeError as error:
        raise RefusedError("a label name or value is not valid UTF-8") from error
    if len(names) != len(pairs):
        raise RefusedError("a series has the same label name twice")
    if len(pairs) > _MAX_LABELS:
        raise RefusedError(f"a series has more than {_MAX_LABELS} labels")
    for name, value in pairs:
        if len(name) > _MAX_NAME_BYTES or len(value) > _MAX_VALUE_BYTES:
            raise RefusedError(
                f"a label name is longer than {_MAX_NAME_BYTES:,} bytes"
                f" or a label value longer than {_MAX_VALUE_BYTES:,} bytes"
            )
    spelt = b"\xff".join([name + b"\xfe" + value for name, value in pairs])
    metric = next(value for name, value in labels if name == METRIC_NAME)
    return metric, xxh3_64_intdigest(spelt), labels


def identify_text(labels: Labels) -> tuple[str, int, Labels]:
    """Return the same for *labels* that are text; raises `RefusedError` likewise."""
    try:
        return identify([(name.encode(), value.encode()) for name, value in labels])
    except UnicodeEncodeError as error:
        # A lone surrogate, such as JSON can spell: Python takes it for text, UTF-8 does not.
        raise RefusedError(f"a label or help text is not valid Unicode: {error}") from error
