"""Labels and annotations of rules, expanded as Prometheus expands them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from veriscope.signals import Labels

Query: TypeAlias = Callable[[str], Sequence[tuple[Labels, float]]]
"""Runs PromQL at the time of the evaluation; raises `InvalidInputError` on what is no query."""


class RuleTemplates:
    """Expands the texts of rules; safe to use from several threads."""

    def __init__(self, external_labels: Mapping[str, str], external_url: str) -> None:
        self._external_labels = dict(external_labels)
        self._external_url = external_url

    def expand(
        self,
        text: str,
        *,
        labels: Mapping[str, str],
        value: float,
        query: Query,
        name: str,
        time_ms: int,
    ) -> str:
        """
        Return *text* with its actions carried out for one alert of the rule *name*.

        *time_ms* is the time of the evaluation, which `now` gives. Raises `TemplateError`.
        """
        raise NotImplementedError

    def check(self, text: str, name: str) -> None:
        """Parse *text* only; raises `TemplateError`."""
        raise NotImplementedError
