"""What the labels of a message are, as texts to compare."""

from itertools import pairwise

from veriscope.wire.remote_write_columns import LabelSpans


def label_texts(spans: LabelSpans) -> list[list[tuple[bytes, bytes]]]:
    """Return names and values of each series, in the order in which they were sent."""
    text = spans.text
    found = [(text[a:b], text[c:d]) for a, b, c, d in spans.pairs.tolist()]
    return [found[start:end] for start, end in pairwise(spans.offsets.tolist())]
