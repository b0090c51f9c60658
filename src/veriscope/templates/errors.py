"""What is wrong with a template."""

from veriscope.signals import InvalidInputError


class TemplateError(InvalidInputError):
    """
    A template cannot be parsed or carried out.

    The message is Go's own, which people know and search for: the template's name, the line, where
    in it, and what is wrong there.
    """
