"""What Prometheus says beside an answer that native histograms take part in, word for word."""

from dataclasses import dataclass
from typing import Protocol

from veriscope.query.promql.ast import Span


class Remarks(Protocol):
    """Takes what there is to say beside an answer: `Notes`, or `At` a place of the query."""

    def warn(self, text: str, span: Span | None = None) -> None:
        """Say that the answer may not be what was meant."""

    def inform(self, text: str, span: Span | None = None) -> None:
        """Say that the query may not be what was meant."""


@dataclass(frozen=True, slots=True)
class At:
    """Remarks on what stands at *span* of the query."""

    remarks: Remarks
    span: Span | None

    def warn(self, text: str, span: Span | None = None) -> None:
        """Say that the answer may not be what was meant."""
        self.remarks.warn(text, span or self.span)

    def inform(self, text: str, span: Span | None = None) -> None:
        """Say that the query may not be what was meant."""
        self.remarks.inform(text, span or self.span)


def mixed_range(remarks: Remarks, name: str) -> None:
    """Say that a range has floats and histograms, which the function cannot combine."""
    remarks.warn(f"encountered a mix of histograms and floats for metric name {_quoted(name)}")


def mixed_aggregation(remarks: Remarks) -> None:
    """Say that a group has floats and histograms, which cannot be combined."""
    remarks.warn("encountered a mix of histograms and floats for aggregation")


def mixed_schemas(remarks: Remarks, name: str) -> None:
    """Say that exponential and custom buckets met."""
    remarks.warn(
        "vector contains a mix of histograms with exponential and custom buckets schemas for "
        f"metric name {_quoted(name)}"
    )


def mixed_schemas_in_operator(remarks: Remarks, operator: str) -> None:
    """Say that an operator was given exponential and custom buckets."""
    remarks.warn(f"incompatible bucket layout encountered for binary operator {operator}")


def mixed_classic_and_native(remarks: Remarks, name: str) -> None:
    """Say that a classic and a native histogram have the same labels."""
    remarks.warn("vector contains a mix of classic and native histograms" + _for(name))


def not_a_counter(remarks: Remarks, name: str) -> None:
    """Say that a function of counters was given a gauge histogram."""
    remarks.warn(f"this native histogram metric is not a counter: {_quoted(name)}")


def not_a_gauge(remarks: Remarks, name: str) -> None:
    """Say that a function of gauges was given a counter histogram."""
    remarks.warn(f"this native histogram metric is not a gauge: {_quoted(name)}")


def reset_collision(remarks: Remarks, operation: str) -> None:
    """Say that counter resets contradict each other in an *operation* such as `addition`."""
    remarks.warn(f"conflicting counter resets during histogram {operation}")


def reconciled(remarks: Remarks, operation: str) -> None:
    """Say that only the custom bounds in common were kept in an *operation*."""
    remarks.inform(f"mismatched custom buckets were reconciled during {operation}")


def incompatible_types(remarks: Remarks, left: str, operator: str, right: str) -> None:
    """Say that an operator knows nothing to do with a pair of `float` and `histogram`."""
    remarks.inform(
        "incompatible sample types encountered for binary operator "
        f'"{operator}": {left} {operator} {right}'
    )


def ignored_in_aggregation(remarks: Remarks, operation: str) -> None:
    """Say that an aggregation left histograms out."""
    remarks.inform(f"ignored histogram in {operation} aggregation")


def ignored_in_range(remarks: Remarks, name: str) -> None:
    """Say that a function left out the histograms of a range that has floats too."""
    remarks.inform(
        "ignored histograms in a range containing both floats and histograms for metric name "
        + _quoted(name)
    )


def nan_quantile(remarks: Remarks, name: str) -> None:
    """Say that a quantile falls among observations of NaN."""
    remarks.inform("input to histogram_quantile has NaN observations, result is NaN" + _for(name))


def skewed_quantile(remarks: Remarks, name: str) -> None:
    """Say that observations of NaN make a quantile higher than it should be."""
    remarks.inform(
        "input to histogram_quantile has NaN observations, result is skewed higher" + _for(name)
    )


def nan_fraction(remarks: Remarks, name: str) -> None:
    """Say that observations of NaN are in no fraction."""
    remarks.inform(
        "input to histogram_fraction has NaN observations, which are excluded from all fractions"
        + _for(name)
    )


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _for(name: str) -> str:
    return f" for metric name {_quoted(name)}" if name else ""
