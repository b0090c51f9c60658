"""
Matchers in Alertmanager's spelling: of routes, inhibitions, silences, and amtool's filters.

Two spellings are read: the classic one (`name=value`, `name=~"value"`), and, where that does not
fit, the one of Alertmanager 0.27, in which names may be quoted and hold any character.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import re2

from veriscope.signals import InvalidInputError, Matcher, MatchOp

_CLASSIC: Final = re.compile(
    r"[\t\n\f\r ]*([a-zA-Z_:][a-zA-Z0-9_:]*)[\t\n\f\r ]*(=~|=|!=|!~)[\t\n\f\r ]*(.*?)[\t\n\f\r ]*",
    re.DOTALL,
)
_QUOTED: Final = r"\"(?:[^\"\\\n]|\\.)*\""
_WITH_QUOTED_NAME: Final = re.compile(
    rf"\s*({_QUOTED}|[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)"
    rf"\s*({_QUOTED}|[^\s{{}}!=~,\\\"'`]+)\s*(?:,|$)"
)
_ESCAPES: Final = re.compile(
    r"\\(?:([abfnrtv\\\"])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_LETTERS: Final = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_ORDER: Final = {op: place for place, op in enumerate(MatchOp)}
_HOW: Final = 'write it as name="value", with =, !=, =~ or !~'


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """
    Read matchers separated by commas, in braces or without; a text may hold none.

    Raises `InvalidInputError`.
    """
    try:
        matchers = tuple(_classic(part) for part in _split(text))
    except InvalidInputError:
        quoted = _quoted_names(text)
        if quoted is None:
            raise
        matchers = quoted
    for matcher in matchers:
        require_regex(matcher)
    return matchers


def parse_matcher(text: str) -> Matcher:
    """Read one matcher, without braces. Raises `InvalidInputError`."""
    try:
        matcher = _classic(text)
    except InvalidInputError:
        quoted = _quoted_names(text)
        if quoted is None or len(quoted) != 1:
            raise
        matcher = quoted[0]
    require_regex(matcher)
    return matcher


def require_regex(matcher: Matcher) -> None:
    """Raise `InvalidInputError` where *matcher* has a regular expression that RE2 cannot read."""
    if matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX):
        _compile(matcher.value)


def sort_key(matcher: Matcher) -> tuple[str, str, int]:
    """Order matchers as Alertmanager does: by name, value, and =, !=, =~, !~."""
    return matcher.name, matcher.value, _ORDER[matcher.op]


def matches_empty(matcher: Matcher) -> bool:
    """Tell whether a label that is absent fulfils *matcher*."""
    return Matching((matcher,)).matches({})


class Matching:
    """
    All of *matchers* at once, fast; none of them match everything.

    Regular expressions are RE2 and match the whole value; `.` is any character but a line break,
    as in Alertmanager.
    """

    def __init__(self, matchers: Iterable[Matcher]) -> None:
        self.matchers = tuple(matchers)
        self.equal = tuple(
            (each.name, each.value) for each in self.matchers if each.op is MatchOp.EQUAL
        )
        self._others = tuple(
            (each.name, _test(each)) for each in self.matchers if each.op is not MatchOp.EQUAL
        )

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether *labels* fulfil every matcher; an absent label has the value `""`."""
        get = labels.get
        for name, value in self.equal:
            if get(name, "") != value:
                return False
        return all(test(get(name, "")) for name, test in self._others)


def _test(matcher: Matcher) -> Callable[[str], bool]:
    if matcher.op is MatchOp.NOT_EQUAL:
        return matcher.value.__ne__
    search = _compile(matcher.value).search
    if matcher.op is MatchOp.REGEX:
        return lambda value: search(value) is not None
    return lambda value: search(value) is None


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(f"^(?:{pattern})$", options)
    except re2.error as error:
        reason = error.args[0].decode()
        raise InvalidInputError(f"{pattern!r} is not a regular expression: {reason}") from error


def _split(text: str) -> list[str]:
    """Cut at the commas outside of quotes."""
    parts, start, in_quotes, escaped = [], 0, False, False
    inner = text.removeprefix("{").removesuffix("}")
    for place, character in enumerate(inner):
        if character == "," and not in_quotes:
            parts.append(inner[start:place])
            start = place + 1
        elif character == '"' and not escaped:
            in_quotes = not in_quotes
        # A comma leaves the escape as it was: so does Alertmanager.
        if character != ",":
            escaped = character == "\\" and not escaped
    rest = inner[start:]
    return [*parts, rest.strip()] if rest.strip() else parts


def _classic(text: str) -> Matcher:
    match = _CLASSIC.fullmatch(text)
    if match is None:
        raise InvalidInputError(f"{text!r} is not a matcher; {_HOW}")
    name, op, raw = match.groups()
    return Matcher(name, MatchOp(op), _classic_value(raw, text))


def _classic_value(raw: str, text: str) -> str:
    """Take quotes and escapes away; a backslash before any other character is a backslash."""
    if raw.startswith('"'):
        closed = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', raw, re.DOTALL)
        if closed is None:
            raise InvalidInputError(f"{text!r}: the value's quotes do not match; {_HOW}")
        raw = closed[1]
    elif re.search(r'(?<!\\)(?:\\\\)*"', raw):
        raise InvalidInputError(f'{text!r}: a quote within the value; write it as \\"')
    return re.sub(
        r'\\(n|"|\\)', lambda found: "\n" if found[1] == "n" else found[1], raw, flags=re.DOTALL
    )


def _quoted_names(text: str) -> tuple[Matcher, ...] | None:
    """Read matchers of which a name is quoted, or return None where that is not what they are."""
    inner = text.strip()
    if inner.startswith("{") is not inner.endswith("}"):
        return None
    inner = inner[1:-1] if inner.startswith("{") else inner
    matchers, place, is_quoted = [], 0, False
    while inner[place:].strip():
        match = _WITH_QUOTED_NAME.match(inner, place)
        if match is None:
            return None
        name, value = (_unquote(match[1]), _unquote(match[3]))
        if not name or value is None:
            return None
        matchers.append(Matcher(name, MatchOp(match[2]), value))
        place, is_quoted = match.end(), is_quoted or match[1].startswith('"')
    return tuple(matchers) if is_quoted else None


def _unquote(word: str) -> str | None:
    """Return what *word* stands for, or None where it has an escape that is not known."""
    if not word.startswith('"'):
        return word
    if any(match[4] for match in _ESCAPES.finditer(word[1:-1])):
        return None
    try:
        text = _ESCAPES.sub(_character, word[1:-1])
        text.encode()
    except ValueError:  # not a character, or half of one
        return None
    return text


def _character(match: re.Match[str]) -> str:
    letter, short, long, _ = match.groups()
    if letter is not None:
        return _LETTERS.get(letter, letter)
    return chr(int(short or long, 16))
