"""Label sets that become ids, held against a slow and obvious way to do it."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from veriscope.signals import Labels
from veriscope.store import RefusedError
from veriscope.store.identity import identify, identify_text
from veriscope.wire.remote_write_columns import LabelSpans

Sent = list[tuple[bytes, bytes]]


def spans(sets: list[Sent]) -> LabelSpans:
    """Return *sets* as they stand in a message."""
    texts = [text for pairs in sets for pair in pairs for text in pair]
    ends = np.cumsum([0, *map(len, texts)])
    pairs = np.stack((ends[:-1], ends[1:]), axis=1).reshape(-1, 4)
    return LabelSpans(b"".join(texts), np.cumsum([0, *map(len, sets)]), pairs)


def slow(sent: Sent) -> tuple[str, int, Labels] | None:
    """Return metric, id and labels, None where a rule is broken."""
    pairs = sorted(pair for pair in sent if pair[1] or not pair[0])
    names = [name for name, _ in pairs]
    if b"" in names or len(set(names)) < len(names) or b"__name__" not in names:
        return None
    try:
        labels = tuple((name.decode(), value.decode()) for name, value in pairs)
    except UnicodeDecodeError:
        return None
    spelt = b"\xff".join(name + b"\xfe" + value for name, value in pairs)
    return dict(labels)["__name__"], xxh3_64_intdigest(spelt), labels


_NAMES = st.sampled_from([b"__name__", b"__name_", b"a", b"ab", b"b", "ä".encode(), b""])
_VALUES = st.sampled_from([b"", b"x", b"y\x00", "ö".encode(), b"\xff", b"z" * 300])
_SETS = st.lists(st.lists(st.tuples(_NAMES, _VALUES), max_size=6), max_size=4)


@settings(max_examples=300, deadline=None)
@given(_SETS)
@example([[(b"__name__", b"m"), (b"b", b""), (b"a", b"x")], [(b"b", b"y"), (b"__name__", b"m")]])
def test_ids_are_those_of_the_slow_way(sets: list[Sent]) -> None:
    """Whatever the order, empty values and bytes; one bad label set refuses all."""
    expected = [slow(sent) for sent in sets]
    good = [one for one in expected if one is not None]
    if len(good) < len(sets):
        with pytest.raises(RefusedError):
            identify(spans(sets))
        return
    found = identify(spans(sets))
    labels = [tuple(pairs) for pairs in found.labels.to_pylist()]
    assert list(zip(found.metrics.to_pylist(), found.ids.tolist(), labels, strict=True)) == good
    both = identify_text([one[2] for one in good])
    assert both.ids.tolist() == found.ids.tolist()


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        pytest.param([(b"a", b"b")], "no __name__", id="no metric"),
        pytest.param([(b"__name__", b"")], "no __name__", id="empty metric"),
        pytest.param([(b"", b"b")], "name is empty", id="no name"),
        pytest.param([(b"b", b"1"), (b"a", b"1"), (b"b", b"2")], "twice", id="twice"),
        pytest.param([(b"%d" % i, b"1") for i in range(129)], "more than 128", id="many"),
        pytest.param([(b"n" * 1025, b"1")], "longer than 1,024", id="long name"),
        pytest.param([(b"n", b"1" * 65_536)], "longer than 65,535", id="long value"),
        pytest.param([(b"__name__", b"\xc3")], "not valid UTF-8", id="not UTF-8"),
        pytest.param([(b"\xed\xa0\x80", b"1"), (b"__name__", b"m")], "UTF-8", id="surrogate"),
    ],
)
def test_a_bad_label_set_is_refused_by_what_is_wrong(pairs: Sent, words: str) -> None:
    """A good one beside it does not help."""
    with pytest.raises(RefusedError, match=words):
        identify(spans([[(b"__name__", b"good")], pairs]))


def test_as_many_and_as_long_labels_as_are_allowed_are_taken() -> None:
    """In the order that is worst to sort; empty ones do not count."""
    many = [(b"%03d" % i, b"1") for i in range(126, 0, -1)]
    longest = (b"n" * 1024, b"v" * 65_535)
    sent = [*many, longest, (b"__name__", b"m"), *[(b"empty%d" % i, b"") for i in range(50)]]
    found = identify(spans([sent]))
    assert len(found.labels[0]) == 128
    assert [found.ids[0], found.metrics[0].as_py()] == [slow(sent)[1], "m"]  # type: ignore[index]


def test_the_first_half_of_a_character_and_the_second_are_not_valid_together() -> None:
    """Each text is looked at alone, though they are kept one after the other."""
    with pytest.raises(RefusedError, match="UTF-8"):
        identify(spans([[(b"__name__", b"a\xc3")], [(b"__name__", b"\xa4b")]]))
