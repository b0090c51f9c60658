"""Numbers and quoted strings as Go's source spells them."""

import re
from typing import Final

_ESCAPE: Final = re.compile(
    r"""\\(?:([abfnrtv\\'"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"""
)
_SIMPLE: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"',
}  # fmt: skip
_SPELLED: Final = {value: name for name, value in _SIMPLE.items() if name not in "'\""}
_LARGEST_INT: Final = 1 << 63
_LARGEST_RUNE: Final = 0x10FFFF


def number(text: str) -> int | float:
    """Return the number *text*; raises `ValueError` on what Go refuses."""
    if text.endswith("i") and not text.lower().startswith(("0x", "+0x", "-0x")):
        raise ValueError(f"complex numbers are not supported: {quote(text)}")
    plain = text.lower()
    try:
        if "x" in plain and ("p" in plain or "." in plain):
            return float.fromhex(plain.replace("_", ""))
        if not any(mark in plain for mark in (".", "e", "p")) or "x" in plain:
            return _integer(text)
        return float(plain)
    except OverflowError as error:
        raise ValueError(f"float overflow: {quote(text)}") from error
    except ValueError as error:
        if "overflow" in str(error):
            raise
        raise ValueError(f"illegal number syntax: {quote(text)}") from error


def _integer(text: str) -> int:
    octal = re.fullmatch(r"([+-]?)0([0-7_]+)", text)
    if len(text) > 100:  # noqa: PLR2004 - far over 64 bits
        raise ValueError(f"integer overflow: {quote(text)}")
    found = int(f"{octal[1]}0o{octal[2].lstrip('_')}" if octal else text, 0)
    if not -_LARGEST_INT <= found < _LARGEST_INT:
        raise ValueError(f"integer overflow: {quote(text)}")
    return found


def unquote(text: str) -> str:
    """Return what the Go string *text* with its double quotes stands for."""
    body = text[1:-1]
    if "\\" not in body:
        return body
    parts, at = [], 0
    while (start := body.find("\\", at)) >= 0:
        parts.append(body[at:start].encode("utf-8", "replace"))
        match = _ESCAPE.match(body, start)
        if match is None or match[1] == "'":
            raise ValueError("invalid syntax")
        parts.append(_escaped(match))
        at = match.end()
    parts.append(body[at:].encode("utf-8", "replace"))
    return b"".join(parts).decode("utf-8", "replace")


def _escaped(match: re.Match[str]) -> bytes:
    simple, byte, octal, short, long = match.groups()
    if simple:
        return _SIMPLE[simple].encode()
    if byte or octal:
        code = int(byte, 16) if byte else int(octal, 8)
        if code > 255:  # noqa: PLR2004 - a byte
            raise ValueError("invalid syntax")
        return bytes([code])
    return _rune(int(short or long, 16)).encode()


def _rune(code: int) -> str:
    if code > _LARGEST_RUNE or 0xD800 <= code < 0xE000:  # noqa: PLR2004 - surrogates
        raise ValueError("invalid syntax")
    return chr(code)


def unquote_rune(text: str) -> int:
    """Return the code point of the character constant *text*."""
    body = text[1:-1]
    match = _ESCAPE.fullmatch(body)
    if match is not None and match[1] != '"':
        simple, byte, octal, short, long = match.groups()
        if simple:
            return ord(_SIMPLE[simple])
        if byte or octal:
            return int(byte, 16) if byte else int(octal, 8)
        return ord(_rune(int(short or long, 16)))
    if len(body) != 1 or body == "\\":
        raise ValueError(f"malformed character constant: {text}")
    return ord(body)


def quote(text: str, *, ascii_only: bool = False, mark: str = '"') -> str:
    """Return *text* in quotes as Go's `strconv.Quote` spells it."""
    return mark + "".join(_spelled(letter, mark, ascii_only) for letter in text) + mark


def _spelled(letter: str, mark: str, ascii_only: bool) -> str:  # noqa: FBT001 - per letter
    if letter == mark:
        return "\\" + letter
    if letter in _SPELLED:
        return "\\" + _SPELLED[letter]
    code = ord(letter)
    if letter == " " or (letter.isprintable() and (code < 0x80 or not ascii_only)):  # noqa: PLR2004
        return letter
    if code < 0x20 or code == 0x7F:  # noqa: PLR2004 - control characters
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004
