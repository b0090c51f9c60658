"""Trace and span ids: W3C hexadecimal by default, any string on request."""

import random
import re
from hashlib import blake2b
from threading import local
from typing import Final

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

_TRACE_BYTES: Final = 16
_SPAN_BYTES: Final = 8
_HEX: Final = re.compile("[0-9a-fA-F]+")


def new_trace_id() -> str:
    """Return a random trace id: 32 hexadecimal digits, never all zero."""
    return f"{_random(_TRACE_BYTES):032x}"


def new_span_id() -> str:
    """Return a random span id: 16 hexadecimal digits, never all zero."""
    return f"{_random(_SPAN_BYTES):016x}"


def trace_number(trace_id: str) -> int:
    """
    Return the 128 bits under which *trace_id* is exported, always the same for the same text.

    Up to 32 hexadecimal digits, with or without a UUID's hyphens, are their own value; any
    other text is hashed (BLAKE2b).
    """
    return _number(trace_id, _TRACE_BYTES)


def span_number(span_id: str) -> int:
    """Return the 64 bits under which *span_id* is exported; as `trace_number`, for 16 digits."""
    return _number(span_id, _SPAN_BYTES)


class ChosenIds(IdGenerator):
    """Gives out the ids that the calling thread chose, else random ones."""

    def __init__(self) -> None:
        self._chosen = local()
        self._random = RandomIdGenerator()

    def choose(self, trace_id: int, span_id: int) -> None:
        """Let the next span of this thread be *span_id*, of trace *trace_id* if it is a root."""
        self._chosen.ids = (trace_id, span_id)

    def forget(self) -> None:
        """Let the next span of this thread have random ids."""
        self._chosen.ids = None

    def generate_span_id(self) -> int:
        """Return the chosen span id, or a random one."""
        ids: tuple[int, int] | None = getattr(self._chosen, "ids", None)
        return self._random.generate_span_id() if ids is None else ids[1]

    def generate_trace_id(self) -> int:
        """Return the chosen trace id, or a random one."""
        ids: tuple[int, int] | None = getattr(self._chosen, "ids", None)
        return self._random.generate_trace_id() if ids is None else ids[0]


def _random(size: int) -> int:
    return random.getrandbits(8 * size) or 1


def _number(text: str, size: int) -> int:
    digits = text.replace("-", "")
    if len(digits) <= 2 * size and _HEX.fullmatch(digits):
        number = int(digits, 16)
        if number:
            return number
    # A text from a broken header or file name may hold what UTF-8 cannot spell.
    spelled = text.encode(errors="surrogatepass")
    return int.from_bytes(blake2b(spelled, digest_size=size).digest()) or 1
