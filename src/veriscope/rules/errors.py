"""What is wrong with what a rule gives."""

from veriscope.signals import InvalidInputError


class RuleError(InvalidInputError):
    """What a rule gives can be neither recorded nor be an alert."""
