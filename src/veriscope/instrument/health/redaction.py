"""Keeps credentials out of reasons, which everyone who may ask for `/health` can read."""

from typing import Final

import re2

_NAMES: Final = r"(?i)\b(passw(?:or)?d|pwd|secret|token|api[_-]?key|access[_-]?key|authorization)"
_VALUES: Final = r"('[^']*'|\"[^\"]*\"|[^\s,;&)'\"]+)"
_RULES: Final = tuple(
    (re2.compile(pattern), replacement)
    for pattern, replacement in (
        # However a password is spelt, it ends at the last @ before a slash or a space.
        (r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/'\"]*@", r"\1<redacted>@"),
        (
            _NAMES + r"(['\"]?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?" + _VALUES,
            r"\1\2<redacted>",
        ),
        (r"(?i)\b(bearer|basic)\s+[a-z0-9+/=._~-]{8,}", r"\1 <redacted>"),
    )
)


def redacted(text: str) -> str:
    """
    Return *text* without credentials in URLs, `password=…` pairs and authorization headers.

    Line breaks become spaces: a reason is one line.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())
