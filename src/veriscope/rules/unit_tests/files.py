"""
Files of unit tests for rules: promtool's own, key for key.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

import glob
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from veriscope.query import ParseError
from veriscope.query.promql.lexer import number
from veriscope.rules.unit_tests.notation import SeriesValues, parse_series, parse_values
from veriscope.signals import Duration, Labels
from veriscope.signals.yaml_documents import DocumentError, decode_yaml

_NUMBER: Final = re.compile(r"0x[0-9a-f_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?|\.inf|\.nan")
_MINUTE: Final = Duration(60_000)
_MAX_EVALUATIONS: Final = 1_000_000
"""More than a year and a half of minutes; a larger number is a slip of the pen."""


class InputSeries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One series and its samples, the first at the test's start."""

    series: str
    """Name and labels, such as `up{job="api"}`."""
    values: str = ""
    """What it holds at each `interval`: `1 _ stale 0+10x5`."""

    def __post_init__(self) -> None:
        for check, text in ((parse_series, self.series), (parse_values, self.values)):
            try:
                check(text)
            except ParseError as error:
                raise ValueError(f"{text!r}: {error}") from error

    @property
    def labels(self) -> Labels:
        """The series' labels."""
        return parse_series(self.series)

    @property
    def points(self) -> SeriesValues:
        """The series' samples."""
        return parse_values(self.values)


class ExpectedAlert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alert that is to fire."""

    exp_labels: dict[str, str] = {}
    """Its labels, less `alertname`."""
    exp_annotations: dict[str, str] = {}
    """Its annotations, expanded."""


class AlertTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which alerts of one name fire at a time."""

    alertname: str = ""
    """Name of the alerting rules, in whichever group they are."""
    eval_time: Duration = Duration(0)
    """When, from the test's start."""
    exp_alerts: tuple[ExpectedAlert, ...] = ()
    """All that fire then; none where it is left out."""

    def __post_init__(self) -> None:
        if not self.alertname:
            raise ValueError("an item of `alert_rule_test` needs an `alertname`")


class ExpectedSample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sample that an expression is to give."""

    labels: str = ""
    """Its labels, as `name{label="value"}`; none where it is left out."""
    value: str = "0"
    """Its value, where it is a float."""
    histogram: str = ""
    """Its value, where it is a native histogram: `{{schema:1 count:3 …}}`."""

    def __post_init__(self) -> None:
        _float(self.value)
        if self.histogram and len(parse_values(self.histogram).native) != 1:
            raise ValueError(f"{self.histogram!r} is not one histogram; write {{{{count:1 …}}}}")

    @property
    def number(self) -> float:
        """The value of a float."""
        return _float(self.value)


class ExpressionTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an expression gives at a time."""

    expr: str = ""
    """PromQL."""
    eval_time: Duration = Duration(0)
    """When, from the test's start."""
    exp_samples: tuple[ExpectedSample, ...] = ()
    """All that it gives; nothing where it is left out."""


class UnitTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Series, and what rules and expressions make of them."""

    interval: Duration | None = None
    """Time between two samples of the series; the evaluation interval where it is not given."""
    name: str = ""
    """What reports call it."""
    start_timestamp: str = "0"
    """When it starts: a Unix time in seconds, or RFC 3339."""
    input_series: tuple[InputSeries, ...] = ()
    """What the rules read."""
    alert_rule_test: tuple[AlertTest, ...] = ()
    """Which alerts are to fire."""
    promql_expr_test: tuple[ExpressionTest, ...] = ()
    """What expressions are to give."""
    external_labels: dict[str, str] = {}
    """`$externalLabels` of templates."""
    external_url: str = ""
    """`$externalURL` of templates."""

    def __post_init__(self) -> None:
        _unix_ms(self.start_timestamp)

    @property
    def start_ms(self) -> int:
        """When it starts, in Unix milliseconds."""
        return _unix_ms(self.start_timestamp)

    @property
    def length_ms(self) -> int:
        """Time from its start to its last question."""
        alerts = [test.eval_time for test in self.alert_rule_test]
        return max([*alerts, *(test.eval_time for test in self.promql_expr_test)], default=0)


class UnitTestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of tests."""

    rule_files: tuple[str, ...] = ()
    """The rules under test: files and globs, from the folder of this file."""
    evaluation_interval: Duration = _MINUTE
    """How often every group is evaluated, whatever its own interval."""
    fuzzy_compare: bool = False
    """Whether floats may differ in the last bit."""
    group_eval_order: tuple[str, ...] = ()
    """Groups in the order of evaluation; where it is not given, they keep that of the files."""
    tests: tuple[UnitTest, ...] = ()
    """The tests."""

    def __post_init__(self) -> None:
        order = self.group_eval_order
        if twice := sorted({name for name in order if order.count(name) > 1}):
            raise ValueError(f"group {twice[0]!r} is in `group_eval_order` twice; remove one")

    @property
    def step_ms(self) -> int:
        """The evaluation interval; a minute for `0`, as promtool has it."""
        return self.evaluation_interval or _MINUTE


def load_unit_tests(path: str) -> UnitTestFile:
    """Read one file. Raises `DocumentError`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"cannot read {path}: {error}") from error
    found = decode_yaml(text, path, UnitTestFile, as_text=True)
    for test in found.tests:
        if test.length_ms // found.step_ms > _MAX_EVALUATIONS:
            raise DocumentError(
                f"{path}: test {test.name!r} is {Duration(test.length_ms)} long, more"
                f" than {_MAX_EVALUATIONS:,} evaluation intervals; shorten it or lengthen those"
            )
    return found


def rule_paths(tests: UnitTestFile, path: str) -> tuple[list[str], list[str]]:
    """Return the rule files of the *tests* in the file *path*, and the patterns without any."""
    found: dict[str, None] = {}
    empty = []
    for pattern in tests.rule_files:
        whole = str(Path(path).parent / pattern)
        paths = sorted(glob.glob(whole))  # noqa: PTH207 - patterns may be absolute
        found.update(dict.fromkeys(paths))
        if not paths:
            empty.append(whole)
    return list(found), empty


def _float(text: str) -> float:
    """Read a number as YAML spells it: also `.inf`, `.nan`, `0x1f` and `1_000`."""
    bare = text.lower().lstrip("+-")
    if not _NUMBER.fullmatch(bare):
        raise ValueError(f"{text!r} is not a number; write infinity as .inf, not-a-number as .nan")
    return (-1.0 if text.startswith("-") else 1.0) * number(
        bare.replace(".inf", "inf").replace(".nan", "nan")
    )


def _unix_ms(text: str) -> int:
    try:
        return round(float(text) * 1000)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not a time; write Unix seconds, or RFC 3339 as 2026-01-31T00:00:00Z"
        ) from error
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
