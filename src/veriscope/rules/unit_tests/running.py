"""
Runs unit tests: the real engine and the real evaluator of groups, on series in memory.

What is evaluated when, and which samples are there by then, is as promtool does it (Prometheus,
cmd/promtool/unittest.go): every group at every evaluation interval from the test's start to its
last question; alerts are looked at in the evaluation at or before their `eval_time`, expressions
after the last evaluation.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry

from veriscope.query import ParseError, QueryOptions
from veriscope.query.promql import PromqlEngine, QueryResult, ResultKind
from veriscope.rules.alerting import ALERT_NAME, AlertState
from veriscope.rules.check import check_rules
from veriscope.rules.expansion import Expander
from veriscope.rules.files import Rule, RuleGroup, load_rule_groups
from veriscope.rules.group import GroupEvaluator, RuleHealth
from veriscope.rules.slo import is_slo_document, load_slo_groups
from veriscope.rules.unit_tests.comparing import (
    SeenAlert,
    SeenSample,
    compare_alerts,
    compare_samples,
    histogram_text,
    spell_labels,
)
from veriscope.rules.unit_tests.files import (
    AlertTest,
    ExpectedSample,
    ExpressionTest,
    UnitTest,
    UnitTestFile,
    load_unit_tests,
    rule_paths,
)
from veriscope.rules.unit_tests.memory import MemorySource
from veriscope.rules.unit_tests.notation import parse_series, parse_values
from veriscope.rules.unit_tests.results import Failure, FileResult, TestResult
from veriscope.rules.unit_tests.series import InputSamples
from veriscope.signals import (
    Clock,
    Duration,
    InvalidInputError,
    Labels,
    ManualClock,
    Matrix,
    VeriscopeError,
)
from veriscope.templates.prometheus import RuleTemplates

_EVERY: Final = re.compile("")


def run(path: str, *, clock: Clock, names: re.Pattern[str] = _EVERY) -> FileResult:
    """
    Run the tests of the file *path* whose names *names* is found in.

    *clock* tells how long they take; their own time is that of their samples.
    """
    try:
        file = load_unit_tests(path)
        found, empty = rule_paths(file, path)
        if faults := [fault for report in check_rules(found) for fault in report.errors]:
            return FileResult(path, error="\n".join(faults))
        groups = _ordered(_load(found), file.group_eval_order)
    except VeriscopeError as error:
        return FileResult(path, error=str(error))
    results = []
    for number, test in enumerate(file.tests, start=1):
        name = test.name or f"test {number}"
        if names.search(name):
            began_s = clock.monotonic_s()
            failures = tuple(asyncio.run(_Run(test, file, groups).failures()))
            results.append(TestResult(name, clock.monotonic_s() - began_s, failures))
    warnings = tuple(f"there is no rule file {pattern}; correct `rule_files`" for pattern in empty)
    return FileResult(path, tuple(results), warnings=warnings)


def _load(paths: Sequence[str]) -> tuple[RuleGroup, ...]:
    objectives = [path for path in paths if is_slo_document(Path(path).read_text("utf-8"))]
    rules = [path for path in paths if path not in objectives]
    return (*load_rule_groups(rules), *load_slo_groups(objectives))


def _ordered(groups: Sequence[RuleGroup], order: Sequence[str]) -> list[RuleGroup]:
    """Return *groups* in the order of *order*; those that it does not name come first."""
    places = {name: place for place, name in enumerate(order)}
    return sorted(groups, key=lambda group: places.get(group.name, 0))


class _Run:
    """One test."""

    def __init__(self, test: UnitTest, file: UnitTestFile, groups: Sequence[RuleGroup]) -> None:
        self._test = test
        self._step_ms = file.step_ms
        self._fuzzy = file.fuzzy_compare
        self._clock = ManualClock(test.start_ms)
        self._source = MemorySource()
        self._input = InputSamples(test, test.interval or file.step_ms)
        options = QueryOptions(subquery_step=Duration(file.step_ms), result_cache_bytes=0)
        self._engine = PromqlEngine(self._source, options, self._clock, CollectorRegistry())
        templates = RuleTemplates(test.external_labels, test.external_url)
        self._expander = Expander(templates, self._engine.instant_query)
        self._groups = [self._evaluator(group) for group in groups]

    def _evaluator(self, group: RuleGroup) -> GroupEvaluator:
        # There are no logs and traces in a test, so what searches them is left out.
        rules = tuple(rule for rule in group.rules if rule.source is None)
        return GroupEvaluator(
            msgspec.structs.replace(group, rules=rules),
            interval_ms=self._step_ms,
            evaluate=self._evaluate,
            record=self._source.record,
            clock=self._clock,
            expander=self._expander,
            query_offset_ms=group.query_offset or 0,
            external_url=self._test.external_url,
        )

    async def _evaluate(self, rule: Rule, time_ms: int) -> QueryResult:
        return self._engine.instant_query(rule.expr, time_ms)

    async def failures(self) -> list[Failure]:
        """Run the test and return what is not as expected."""
        found: list[Failure] = []
        last_ms = self._test.start_ms + self._test.length_ms
        for time_ms in range(self._test.start_ms, last_ms + 1, self._step_ms):
            for batch in self._input.until(time_ms):
                self._source.add(batch)
            if faults := [fault async for fault in self._evaluated(time_ms)]:
                # Nothing that follows could be trusted.
                return found + faults
            found += self._compared_alerts(time_ms - self._test.start_ms)
            self._clock.advance(ms=self._step_ms)
        return found + [
            Failure(f"expr {test.expr} at {test.eval_time}", lines)
            for test in self._test.promql_expr_test
            if (lines := self._compare_expression(test))
        ]

    async def _evaluated(self, time_ms: int) -> AsyncIterator[Failure]:
        """Evaluate every group, and yield which rules have failed."""
        for group in self._groups:
            await group.run_once(time_ms)
            for state in group.state.rules:
                if state.health is RuleHealth.BAD:
                    at = Duration(time_ms - self._test.start_ms)
                    yield Failure(f"rule {state.rule.name} at {at}", (f"  {state.error}",))

    # --- alerts ---------------------------------------------------------------------------

    def _compared_alerts(self, since_start_ms: int) -> Iterator[Failure]:
        """Yield what is wrong at the times up to the next evaluation."""
        due = [
            test
            for test in self._test.alert_rule_test
            if since_start_ms <= test.eval_time < since_start_ms + self._step_ms
        ]
        for test in sorted(due, key=lambda test: test.eval_time):
            if lines := self._compare_alerts(test):
                yield Failure(f"alert {test.alertname} at {test.eval_time}", lines)

    def _compare_alerts(self, test: AlertTest) -> tuple[str, ...]:
        wanted = [
            SeenAlert(
                _pairs({**alert.exp_labels, ALERT_NAME: test.alertname}),
                _pairs(alert.exp_annotations),
            )
            for alert in test.exp_alerts
        ]
        active = [
            alert
            for group in self._groups
            for rule in group.state.rules
            if rule.rule.alert == test.alertname
            for alert in rule.active
        ]
        firing = [
            SeenAlert(alert.labels, alert.annotations)
            for alert in active
            if alert.state is AlertState.FIRING
        ]
        lines = compare_alerts(wanted, firing)
        if lines:
            lines += tuple(
                f"  pending since {Duration(alert.active_at_ms - self._test.start_ms)}:"
                f" {spell_labels(alert.labels)}"
                for alert in active
                if alert.state is AlertState.PENDING
            )
        return lines

    # --- expressions ----------------------------------------------------------------------

    def _compare_expression(self, test: ExpressionTest) -> tuple[str, ...]:
        try:
            result = self._engine.instant_query(test.expr, self._test.start_ms + test.eval_time)
            found = _samples(result)
            wanted = [_expected(sample) for sample in test.exp_samples]
        except VeriscopeError as error:
            return (f"  {error}",)
        return compare_samples(wanted, found, fuzzy=self._fuzzy)


def _pairs(texts: Mapping[str, str]) -> Labels:
    return tuple(sorted(texts.items()))


def _expected(sample: ExpectedSample) -> SeenSample:
    try:
        labels = parse_series(sample.labels) if sample.labels.strip() else ()
    except ParseError as error:
        raise InvalidInputError(f"labels {sample.labels!r}: {error}") from error
    if sample.histogram:
        return SeenSample(labels, histogram_text(parse_values(sample.histogram).native))
    return SeenSample(labels, sample.number)


def _samples(result: QueryResult) -> list[SeenSample]:
    value = result.value
    if isinstance(value, Matrix) and result.kind is ResultKind.VECTOR:
        found: list[float | str] = list(value.values[:, 0].tolist())
        if (native := value.histograms) is not None:
            for place, row in enumerate(native.rows.tolist()):
                found[row] = histogram_text(native.values.take(np.array([place])))
        return [SeenSample(*each) for each in zip(value.labels, found, strict=True)]
    if result.kind is ResultKind.SCALAR:
        return [SeenSample((), float(np.asarray(value).reshape(-1)[0]))]
    raise InvalidInputError(f"a {result.kind} cannot be tested; ask for a vector or a scalar")
