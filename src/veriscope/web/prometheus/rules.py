"""`rules` and `alerts`: what the rules of this server say at the moment."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from veriscope.signals import InvalidInputError, Matcher
from veriscope.web.answers import success
from veriscope.web.parameters import Parameters
from veriscope.web.prometheus.asking import bad_parameter, match_selectors
from veriscope.web.prometheus.matching import matches

_NEVER: Final = "0001-01-01T00:00:00Z"


class AlertState(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One alert that is pending or firing, as Prometheus' API shows it. Times are RFC 3339."""

    labels: dict[str, str] = field()
    annotations: dict[str, str] = field()
    state: str
    active_at: str
    value: str
    keep_firing_since: str = ""


class RecordingRuleState(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="recording", tag_field="type"
):
    """A recording rule and how its last evaluation went, as Prometheus' API shows it."""

    name: str
    query: str
    labels: dict[str, str] = {}
    health: str = "unknown"
    last_error: str | msgspec.UnsetType = msgspec.UNSET
    evaluation_time: float = 0.0
    last_evaluation: str = _NEVER


class AlertingRuleState(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag="alerting", tag_field="type"
):
    """An alerting rule with its alerts, as Prometheus' API shows it. Durations are in seconds."""

    state: str
    name: str
    query: str
    duration: float = 0.0
    keep_firing_for: float = 0.0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    alerts: tuple[AlertState, ...] = ()
    health: str = "unknown"
    last_error: str | msgspec.UnsetType = msgspec.UNSET
    evaluation_time: float = 0.0
    last_evaluation: str = _NEVER


RuleState: TypeAlias = RecordingRuleState | AlertingRuleState


class RuleGroupState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A group of rules, as Prometheus' API shows it. Times spans are in seconds."""

    name: str
    file: str
    rules: tuple[RuleState, ...]
    interval: float
    limit: int = 0
    evaluation_time: float = 0.0
    last_evaluation: str = _NEVER


class RulesApi:
    """`rules` and `alerts`; *groups* returns every group at it is at the moment."""

    def __init__(self, groups: Callable[[], Sequence[RuleGroupState]]) -> None:
        self._groups = groups

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return [
            Route("/api/v1/rules", self.rules, methods=["GET"]),
            Route("/api/v1/alerts", self.alerts, methods=["GET"]),
        ]

    async def rules(self, request: Request) -> Response:
        """Answer with the groups, narrowed as the parameters say."""
        given = await Parameters.of(request)
        chosen = _Choice(given)
        groups = [group for group in map(chosen.narrowed, self._groups()) if group is not None]
        token = given.text("group_next_token")
        if token:
            groups = _from_token(groups, token)
        data: dict[str, Any] = {"groups": groups}
        limit = given.limit("group_limit")
        if token and not limit:
            raise InvalidInputError("group_limit needs to be set when group_next_token is")
        if limit and len(groups) > limit:
            data = {"groups": groups[:limit], "groupNextToken": _token(groups[limit])}
        return success(data)

    async def alerts(self, _: Request) -> Response:
        """Answer with every alert that is pending or firing."""
        rules = [rule for group in self._groups() for rule in group.rules]
        alerting = [rule for rule in rules if isinstance(rule, AlertingRuleState)]
        return success({"alerts": [alert for rule in alerting for alert in rule.alerts]})


class _Choice:
    """The rules that a request asks for."""

    def __init__(self, given: Parameters) -> None:
        kind = given.text("type").lower()
        if kind not in ("", "alert", "record"):
            raise bad_parameter("type", InvalidInputError(f"not supported value {kind!r}"))
        self._kind = kind
        self._names = frozenset(given.all("rule_name[]"))
        self._groups = frozenset(given.all("rule_group[]"))
        self._files = frozenset(given.all("file[]"))
        self._selectors: list[tuple[Matcher, ...]] = match_selectors(given)
        self._without_alerts = given.flag("exclude_alerts")

    def narrowed(self, group: RuleGroupState) -> RuleGroupState | None:
        """Return *group* with what is asked for of it, or None."""
        if (self._groups and group.name not in self._groups) or (
            self._files and group.file not in self._files
        ):
            return None
        rules = tuple(self._shown(rule) for rule in group.rules if self._wanted(rule))
        if not rules and group.rules:
            return None
        return msgspec.structs.replace(group, rules=rules)

    def _wanted(self, rule: RuleState) -> bool:
        recording = isinstance(rule, RecordingRuleState)
        if self._kind and recording is (self._kind == "alert"):
            return False
        if self._names and rule.name not in self._names:
            return False
        return not self._selectors or any(
            matches(matchers, rule.labels) for matchers in self._selectors
        )

    def _shown(self, rule: RuleState) -> RuleState:
        if self._without_alerts and isinstance(rule, AlertingRuleState):
            return msgspec.structs.replace(rule, alerts=())
        return rule


def _from_token(groups: list[RuleGroupState], token: str) -> list[RuleGroupState]:
    for place, group in enumerate(groups):
        if _token(group) == token:
            return groups[place:]
    raise InvalidInputError(
        f'invalid group_next_token "{token}": the rule groups have changed; begin again without it'
    )


def _token(group: RuleGroupState) -> str:
    return f"{group.file};{group.name}".encode().hex()
