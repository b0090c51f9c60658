"""Series selectors outside of expressions, as in the parameter `match[]`."""

from veriscope.query.errors import ParseError
from veriscope.query.promql.ast import VectorSelector
from veriscope.query.promql.parser import parse, parse_selector
from veriscope.signals import Matcher


def parse_matchers(text: str, *, all_series: bool = False) -> tuple[Matcher, ...]:
    """
    Return the matchers of the series selector *text*, such as `up{job="api"}`.

    Raises `ParseError` where it is some other expression, or has an offset or a range; where it
    selects everything too, unless *all_series* may be.
    """
    if all_series:
        return parse_selector(text).matchers
    found = parse(text)
    if not isinstance(found, VectorSelector) or found.offset_ms or found.at is not None:
        raise ParseError('a plain series selector is expected, such as up{job="api"}', text=text)
    return found.matchers
