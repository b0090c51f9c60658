import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.genrf.requests import parse_generate, parse_rate
from veriscope.signals import InvalidInputError

GOOD = {"circuit_type": "lna", "technology": "tsmc65", "frequency": 2.4e9}


def test_missing_targets_are_modest_ones() -> None:
    """A request may name one target; the others are the family's, and the type is spelled ours."""
    spec = parse_generate(json.dumps({**GOOD, "targets": {"gain_db": 14}}).encode())
    assert spec.circuit_type == "LNA"
    assert spec.targets["gain_db"] == 14
    assert set(spec.targets) == {"gain_db", "noise_figure_db", "s11_db", "power_mw"}
    assert (spec.user_id, spec.session_id, spec.simulations) == ("anonymous", "anonymous", 60)


def test_high_frequencies_ask_for_less() -> None:
    """Beyond what is easy for a technology the default targets are lower, never the given ones."""
    low = parse_generate(json.dumps(GOOD).encode()).targets
    high = parse_generate(
        json.dumps(
            {**GOOD, "technology": "gf180", "frequency": 6e9, "targets": {"s11_db": -9}}
        ).encode()
    ).targets
    assert high["gain_db"] < low["gain_db"]
    assert high["noise_figure_db"] > low["noise_figure_db"]
    assert high["s11_db"] == -9


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"circuit_type": "antenna"}, "circuit_type must be one of LNA, Mixer, VCO, PA, Filter"),
        ({"technology": "n3"}, "technology must be one of tsmc65, sky130, gf180"),
        ({"frequency": 1e12}, r"frequency of a LNA must be 8e\+08 to 6e\+09 Hz"),
        ({"targets": {"beauty": 1}}, "has no target of that name; it has gain_db"),
        ({"targets": {"gain_db": 99}}, "target gain_db must be 0 to 40"),
        ({"user": "a; rm -rf /"}, "user"),
        ({"simulations": 100_000}, "simulations"),
        ({"surprise": 1}, "surprise"),
        ({"frequency": "fast"}, "frequency"),
    ],
)
def test_wrong_requests_are_refused(change: dict[str, object], reason: str) -> None:
    """Each mistake is answered with what would be right."""
    with pytest.raises(InvalidInputError, match=reason):
        parse_generate(json.dumps({**GOOD, **change}).encode())


@given(st.binary(max_size=200))
def test_garbage_is_refused(body: bytes) -> None:
    """No bytes can do more than be refused."""
    for parse in (parse_generate, parse_rate):
        with pytest.raises(InvalidInputError):
            parse(body)
