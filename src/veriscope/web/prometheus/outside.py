"""Labels by which the outside world tells this server's series apart."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from veriscope.signals import Labels, Matcher, MatchOp, to_labels


class OutsideLabels:
    """The external labels: added to what leaves, taken out of what is asked for."""

    def __init__(self, external: Mapping[str, str]) -> None:
        self._external = dict(external)

    def added(self, labels: Labels) -> Labels:
        """Return *labels* with the external ones that they do not have."""
        if not self._external:
            return labels
        return to_labels({**self._external, **dict(labels)})

    def inside(self, matchers: Sequence[Matcher]) -> tuple[Matcher, ...]:
        """Return *matchers* as they select here, where no series has an external label."""
        return tuple(
            replace(matcher, value="")
            if matcher.op is MatchOp.EQUAL and self._external.get(matcher.name) == matcher.value
            else matcher
            for matcher in matchers
        )
