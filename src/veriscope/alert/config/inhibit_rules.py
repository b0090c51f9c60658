"""Inhibition rules of Alertmanager's configuration file."""

from collections.abc import Iterator

import msgspec

from veriscope.alert.config.routes import read_matchers, require_label, spelled_out
from veriscope.signals import Matcher, MatchOp


class InhibitRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """While an alert that fits the source fires, those that fit the target are not told of."""

    source_match: dict[str, str] = {}
    """Labels and values of the source; the older spelling of `source_matchers`."""
    source_match_re: dict[str, str] = {}
    """Labels and regular expressions of the source; the older spelling too."""
    source_matchers: tuple[str, ...] = ()
    """Matchers that the alert which inhibits fulfils."""
    target_match: dict[str, str] = {}
    """Labels and values of the target; the older spelling of `target_matchers`."""
    target_match_re: dict[str, str] = {}
    """Labels and regular expressions of the target; the older spelling too."""
    target_matchers: tuple[str, ...] = ()
    """Matchers that the alert which is inhibited fulfils."""
    equal: tuple[str, ...] = ()
    """Labels that must have the same value in both; one that both lack is equal."""

    def __post_init__(self) -> None:
        for name in self.equal:
            require_label(name)
        list(self.sources())
        list(self.targets())

    def sources(self) -> Iterator[Matcher]:
        """Give the matchers of the alert that inhibits."""
        yield from spelled_out(self.source_match, MatchOp.EQUAL)
        yield from spelled_out(self.source_match_re, MatchOp.REGEX)
        for text in self.source_matchers:
            yield from read_matchers(text)

    def targets(self) -> Iterator[Matcher]:
        """Give the matchers of the alerts that are inhibited."""
        yield from spelled_out(self.target_match, MatchOp.EQUAL)
        yield from spelled_out(self.target_match_re, MatchOp.REGEX)
        for text in self.target_matchers:
            yield from read_matchers(text)
