"""Series selectors outside of expressions, as in the parameter `match[]`."""

from veriscope.query.errors import ParseError
from veriscope.query.promql.ast import VectorSelector
from veriscope.query.promql.parser import parse
from veriscope.signals import Matcher


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """
    Return the matchers of the series selector *text*, such as `up{job="api"}`.

    Raises `ParseError` where it is some other expression, or has an offset or a range.
    """
    found = parse(text)
    if not isinstance(found, VectorSelector) or found.offset_ms or found.at is not None:
        raise ParseError('a plain series selector is expected, such as up{job="api"}', text=text)
    return found.matchers
