"""Durations, sizes and secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.signals import ByteSize, Duration, InvalidInputError, Secret, decode_unit


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("0s", 0),
        ("15s", 15_000),
        ("250ms", 250),
        ("1m30s", 90_000),
        ("1h", 3_600_000),
        ("1d", 86_400_000),
        ("1w", 604_800_000),
        ("1y", 31_536_000_000),
        ("1y2w3d4h5m6s7ms", 31_536_000_000 + 2 * 604_800_000 + 3 * 86_400_000 + 14_706_007),
    ],
)
def test_durations_are_prometheus(text: str, ms: int) -> None:
    """Every unit, alone and together."""
    assert Duration.parse(text) == ms


@pytest.mark.parametrize("text", ["", "s", "1", "1.5s", "-1s", "1s1m", "1 s", "1sec"])
def test_other_durations_are_refused(text: str) -> None:
    """With an example of how to write it."""
    with pytest.raises(InvalidInputError, match="write it as 15s"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("30d", "30d"),
        ("4w", "4w"),
        ("52w", "52w"),
        ("365d", "1y"),
        ("36h", "1d12h"),
        ("1w1ms", "7d1ms"),
        ("1y1d", "366d"),
        ("90m", "1h30m"),
        ("0", "0s"),
    ],
)
def test_durations_print_as_prometheus(text: str, printed: str) -> None:
    """Years and weeks only where nothing is left over, as `model.Duration` prints them."""
    assert str(Duration.parse(text)) == printed


@given(st.integers(0, 10**14))
def test_a_printed_duration_reads_back(ms: int) -> None:
    """Printing loses nothing."""
    assert Duration.parse(str(Duration(ms))) == ms


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("1B", 1),
        ("1K", 1024),
        ("1KB", 1024),
        ("1KiB", 1024),
        ("10MB", 10 * 2**20),
        ("1gib", 2**30),
        ("2TB", 2**41),
    ],
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    """As in Prometheus, with or without the i."""
    assert ByteSize.parse(text) == size


@pytest.mark.parametrize("text", ["", "KB", "-1", "1.5MB", "1XB"])
def test_other_sizes_are_refused(text: str) -> None:
    """With an example of how to write it."""
    with pytest.raises(InvalidInputError, match="write it as 512KB"):
        ByteSize.parse(text)


def test_a_secret_does_not_show_itself() -> None:
    """Neither printed, nor formatted, nor in a container; only when asked by name."""
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {[secret]} {secret!s:>10}"
    assert "hunter2" not in shown
    assert secret.reveal() == "hunter2"
    assert type(secret.reveal()) is str


def test_configuration_values_become_units() -> None:
    """And what cannot is a `ValueError`, to which msgspec adds the place."""
    assert decode_unit(Duration, "1m") == 60_000
    assert decode_unit(ByteSize, 7) == 7
    assert decode_unit(Secret, "x").reveal() == "x"
    for wanted, found in ((Duration, 5), (Duration, "x"), (ByteSize, []), (Secret, 1)):
        with pytest.raises(ValueError, match=r"duration|bytesize|secret"):
            decode_unit(wanted, found)
