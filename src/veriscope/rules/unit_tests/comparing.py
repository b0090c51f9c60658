"""What is expected beside what was found, as lines that tell the difference."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from veriscope.query.promql.floats import format_general
from veriscope.query.promql.format import quote
from veriscope.query.promql.histograms.text import spelled
from veriscope.signals import METRIC_NAME, Labels
from veriscope.signals.histograms import Histograms

_SHOWN: Final = 20
"""Elements on each side that are shown; a thousand more would hide them."""


class SeenAlert(NamedTuple):
    """An alert that fires, or is to fire; both are pairs sorted by name."""

    labels: Labels
    annotations: Labels


class SeenSample(NamedTuple):
    """An element of a vector, or one that is to be there."""

    labels: Labels
    value: float | str
    """A float, or how Prometheus prints a native histogram."""


def histogram_text(histogram: Histograms) -> str:
    """Return the text by which two histograms are compared: one, without its empty buckets."""
    return spelled(histogram.compact())[0]


def compare_alerts(wanted: Sequence[SeenAlert], found: Sequence[SeenAlert]) -> tuple[str, ...]:
    """Return what tells *found* from *wanted*, nothing where they are the same in some order."""
    missing = sorted((Counter(wanted) - Counter(found)).elements())
    surplus = sorted((Counter(found) - Counter(wanted)).elements())
    lines: list[str] = []
    for alert in list(missing):
        other = next((each for each in surplus if each.labels == alert.labels), None)
        if other is not None:
            missing.remove(alert)
            surplus.remove(other)
            lines.append(f"  {spell_labels(alert.labels)}")
            lines += _changed(dict(alert.annotations), dict(other.annotations))
    lines += _listed("- ", [_spell_alert(alert) for alert in missing])
    lines += _listed("+ ", [_spell_alert(alert) for alert in surplus])
    return tuple(lines)


def compare_samples(
    wanted: Sequence[SeenSample], found: Sequence[SeenSample], *, fuzzy: bool
) -> tuple[str, ...]:
    """Return what tells *found* from *wanted*; *fuzzy* ignores the last bit of floats."""
    missing, surplus = list(wanted), list(found)
    for sample in wanted:
        same = next((s for s in surplus if _same(sample, s, fuzzy=fuzzy)), None)
        if same is not None:
            missing.remove(sample)
            surplus.remove(same)
    lines = _listed("- ", [_spell_sample(sample) for sample in sorted(missing, key=_order)])
    lines += _listed("+ ", [_spell_sample(sample) for sample in sorted(surplus, key=_order)])
    if any(isinstance(sample.value, float) and math.isnan(sample.value) for sample in missing):
        lines.append("  NaN equals nothing, as in promtool; test `expr != expr` instead")
    return tuple(lines)


def spell_labels(labels: Labels) -> str:
    """Spell *labels* as PromQL does."""
    name = dict(labels).get(METRIC_NAME, "")
    pairs = [f"{key}={quote(value)}" for key, value in labels if key != METRIC_NAME]
    return name if name and not pairs else f"{name}{{{', '.join(pairs)}}}"


def _same(wanted: SeenSample, found: SeenSample, *, fuzzy: bool) -> bool:
    if wanted.labels != found.labels:
        return False
    left, right = wanted.value, found.value
    if left == right:
        return True
    if not fuzzy or isinstance(left, str) or isinstance(right, str):
        return False
    return right in {math.nextafter(left, -math.inf), math.nextafter(left, math.inf)}


def _changed(wanted: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            if name in wanted:
                yield f"-     {name}: {quote(wanted[name])}"
            if name in found:
                yield f"+     {name}: {quote(found[name])}"


def _listed(mark: str, texts: Sequence[str]) -> list[str]:
    lines = [mark + text for text in texts[:_SHOWN]]
    if len(texts) > _SHOWN:
        lines.append(f"{mark}… and {len(texts) - _SHOWN:,} more")
    return lines


def _order(sample: SeenSample) -> tuple[Labels, str]:
    return sample.labels, _spell_value(sample.value)


def _spell_alert(alert: SeenAlert) -> str:
    texts = ", ".join(f"{name}: {quote(text)}" for name, text in alert.annotations)
    return spell_labels(alert.labels) + (f"  {texts}" if texts else "")


def _spell_sample(sample: SeenSample) -> str:
    return f"{spell_labels(sample.labels)} {_spell_value(sample.value)}"


def _spell_value(value: float | str) -> str:
    return value if isinstance(value, str) else format_general(value)
