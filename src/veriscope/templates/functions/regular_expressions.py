"""Regular expressions of templates: RE2, whose running time is linear, as Go has them."""

import re
from functools import lru_cache
from typing import Any, Final

import re2

from veriscope.templates.constants import quote
from veriscope.templates.functions.calls import CallError
from veriscope.templates.functions.limits import Output

_WORDS: Final = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "invalid escape sequence": "invalid escape sequence",
    "invalid character class range": "invalid character class range",
    "unexpected )": "unexpected )",
}
_REFERENCE: Final = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


@lru_cache(256)
def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        detail = error.args[0] if error.args else error
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        raise CallError(f"error parsing regexp: {_in_the_words_of_go(text)}") from error


def _in_the_words_of_go(fault: str) -> str:
    for ours, theirs in _WORDS.items():
        if fault.startswith(ours):
            return f"{theirs}: `{fault.removeprefix(ours).removeprefix(': ')}`"
    return fault


def matches(pattern: str, text: str) -> bool:
    """Whether *pattern* matches anywhere in *text*."""
    return _compile(pattern).search(_plain(text)) is not None


def replace_all(pattern: str, replacement: str, text: str) -> str:
    """Return *text* with each match replaced; `$1`, `${name}` and `$$` as in Go."""
    try:
        found = _compile(pattern)
    except CallError as error:
        raise CallError(f"regexp: Compile({_shown(pattern)}): {error}") from error
    output, at = Output(), 0
    text = _plain(text)
    for match in found.finditer(text):
        if match.end() == at and match.start() == at > 0:
            continue  # an empty match right after another one
        output.add(text[at : match.start()])
        output.add(_expand(replacement, match))
        at = match.end()
    output.add(text[at:])
    return str(output)


def _shown(pattern: str) -> str:
    return quote(pattern) if "`" in pattern else f"`{pattern}`"


def _expand(replacement: str, match: Any) -> str:
    def group(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        try:
            return match.group(int(name) if name.isdecimal() else name) or ""
        except (IndexError, KeyError, re2.error):
            return ""

    return _REFERENCE.sub(group, replacement)


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
