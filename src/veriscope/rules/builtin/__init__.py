"""Rules that come with the server: what it says of itself and of its targets."""

from importlib import resources

from veriscope.rules.files import RuleGroup, parse_rule_groups


def meta_groups() -> tuple[RuleGroup, ...]:
    """Return the groups of `meta.yml`."""
    text = resources.files(__name__).joinpath("meta.yml").read_text(encoding="utf-8")
    return parse_rule_groups(text, "veriscope/meta.yml")
