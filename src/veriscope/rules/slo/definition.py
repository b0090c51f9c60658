"""A service level objective as it was written, whichever format it was written in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from veriscope.signals import Duration

WINDOW: Final = re.compile(r"\{\{-?\s*\.window\s*-?\}\}")
"""Where a query takes the length of the window."""

LEAST_PERIOD: Final = Duration.parse("7d")
"""The shortest period: what burns its budget within hours is not told from a blip."""
GREATEST_SLICE: Final = Duration.parse("5m")
"""The longest slice of time: the shortest window of the alerts has to hold one."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the labels and groups of the compiled rules are called."""

    prefix: str
    """Of every label: `slo_id` or `sloth_id`."""
    name_label: str
    info: str
    """The metric that says what the objective is."""
    groups: tuple[str, str, str]
    """What the names of the three groups begin with."""
    extra: tuple[tuple[str, str], ...] = ()
    """Further labels of `info`."""


OWN: Final = Dialect(
    "slo_", "slo_name", "veriscope_slo_info", ("slo-sli-", "slo-meta-", "slo-alerts-")
)
SLOTH: Final = Dialect(
    "sloth_",
    "sloth_slo",
    "sloth_slo_info",
    ("sloth-slo-sli-recordings-", "sloth-slo-meta-recordings-", "sloth-slo-alerts-"),
    (
        ("sloth_mode", "cli-gen-prom"),
        ("sloth_spec", "prometheus/v1"),
        ("sloth_version", "veriscope"),
    ),
)
"""The names that Sloth gives, so that dashboards made for it go on working."""


@dataclass(frozen=True, slots=True)
class Events:
    """What was bad and what there was, both with `{{.window}}`; a part of one is no answer."""

    error: str
    total: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """The share of what was bad, from 0 to 1, with `{{.window}}`."""

    error: str


@dataclass(frozen=True, slots=True)
class Slices:
    """The share of what was bad at one moment, which is averaged over time."""

    error: str
    every_ms: int
    """How often it is looked at."""


@dataclass(frozen=True, slots=True)
class AlertTexts:
    """What one of the two alerts has besides its expression."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Definition:
    """One objective."""

    service: str
    name: str
    description: str
    percent: Decimal
    period_ms: int
    labels: Mapping[str, str]
    indicator: Events | Ratio | Slices
    page: AlertTexts | None
    """For what must be looked at now."""
    ticket: AlertTexts | None
    """For what must be looked at in working hours."""
    dialect: Dialect
    file: str

    @property
    def id(self) -> str:
        """Unique among all objectives."""
        return f"{self.service}-{self.name}"

    @property
    def budget(self) -> Decimal:
        """The share that may be bad."""
        return 1 - self.percent / 100

    @property
    def identity(self) -> dict[str, str]:
        """The labels by which its series are found."""
        prefix = self.dialect.prefix
        return {
            f"{prefix}id": self.id,
            f"{prefix}service": self.service,
            self.dialect.name_label: self.name,
        }


def percent(text: str) -> Decimal:
    """Read an objective in per cent; raises `ValueError` for what leaves no error budget."""
    try:
        found = Decimal(text)
    except ArithmeticError as error:
        raise ValueError(f"{text!r} is not a number") from error
    if not 0 < found < 100:  # noqa: PLR2004 - per cent
        raise ValueError(
            f"an objective of {text}% leaves no error budget or asks nothing; "
            "give more than 0% and less than 100%, such as 99.9%"
        )
    return found
