"""Keeps credentials out of reasons, which everyone who may ask for `/health` can read."""

from typing import Final

import re2

from veriscope.instrument.secret_shapes import secret_patterns

_RULES: Final = tuple(
    (re2.compile(pattern), replacement) for pattern, replacement in secret_patterns("<redacted>")
)


def redacted(text: str) -> str:
    """Return *text* as one line, with `<redacted>` where something has the shape of a secret."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())
