"""What people may ask for, and why they are refused."""

import math
from typing import Annotated, Final, TypeVar

import msgspec

from examples.genrf.circuits import FAMILIES, CircuitSpec, Family
from examples.genrf.technology import TECHNOLOGIES
from veriscope.signals import InvalidInputError

MAX_BODY_BYTES: Final = 16 * 1024
"""Bytes of a request's body; more is answered 413."""

_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")]
_MaybeName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.@-]{0,64}$")]
_Body = TypeVar("_Body")
_CIRCUIT_TYPES: Final = {name.casefold(): name for name in FAMILIES}


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /generate`."""

    circuit_type: str
    technology: str
    frequency: float
    targets: dict[str, float] = {}
    user: _Name = "anonymous"
    session: _MaybeName = ""
    simulations: Annotated[int, msgspec.Meta(ge=20, le=400)] = 60


class RateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /rate`."""

    circuit_id: _Name
    feature: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,40}$")]
    score: Annotated[float, msgspec.Meta(ge=1, le=5)]
    user: _Name = "anonymous"


def parse_generate(body: bytes) -> CircuitSpec:
    """Return the spec that *body* asks for; `InvalidInputError` says what is wrong with it."""
    asked = _decode(body, GenerateRequest)
    circuit_type = _CIRCUIT_TYPES.get(asked.circuit_type.casefold())
    if circuit_type is None:
        raise InvalidInputError(f"circuit_type must be one of {', '.join(FAMILIES)}")
    if asked.technology not in TECHNOLOGIES:
        raise InvalidInputError(f"technology must be one of {', '.join(TECHNOLOGIES)}")
    family = FAMILIES[circuit_type]
    if not family.frequency_low <= asked.frequency <= family.frequency_high:
        raise InvalidInputError(
            f"frequency of a {circuit_type} must be {family.frequency_low:g} to "
            f"{family.frequency_high:g} Hz"
        )
    return CircuitSpec(
        circuit_type=circuit_type,
        technology=asked.technology,
        frequency=asked.frequency,
        targets=_targets(family, asked),
        user_id=asked.user,
        session_id=asked.session or asked.user,
        simulations=asked.simulations,
    )


def parse_rate(body: bytes) -> RateRequest:
    """Return the rating in *body*; `InvalidInputError` says what is wrong with it."""
    return _decode(body, RateRequest)


def _targets(family: Family, asked: GenerateRequest) -> dict[str, float]:
    figures = {figure.name: figure for figure in family.figures}
    for name, value in asked.targets.items():
        if name not in figures:
            raise InvalidInputError(
                f"a {family.name} has no target of that name; it has {', '.join(figures)}"
            )
        low, high = figures[name].low, figures[name].high
        if not (math.isfinite(value) and low <= value <= high):
            raise InvalidInputError(f"target {name} must be {low:g} to {high:g}")
    technology = TECHNOLOGIES[asked.technology]
    return {**family.default_targets(technology, asked.frequency), **asked.targets}


def _decode(body: bytes, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(str(error)) from error
