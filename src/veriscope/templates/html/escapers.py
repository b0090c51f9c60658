"""Values made safe for one place in HTML: Go's `html/template`, its tables and its words."""

import re
from typing import Final

from veriscope.templates.functions.builtins import joined
from veriscope.templates.values import SafeHtml, SafeUrl, Value

UNSAFE: Final = "ZgotmplZ"
"""What Go writes in place of a value that no escaping makes safe."""

_TEXT: Final = str.maketrans(
    {
        "\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "+": "&#43;",
        "<": "&lt;", ">": "&gt;",
    }
)  # fmt: skip
_WITHIN: Final = {key: value for key, value in _TEXT.items() if key != ord("&")}
"""For what is HTML already: its entities stay."""
_UNQUOTED: Final = {
    **_TEXT,
    **str.maketrans({
        "\0": "&#xfffd;", "\t": "&#9;", "\n": "&#10;", "\v": "&#11;", "\f": "&#12;", "\r": "&#13;",
        " ": "&#32;", "=": "&#61;", "`": "&#96;",
    }),
}  # fmt: skip
_TAG: Final = re.compile(r"<!--.*?(?:-->|$)|</?[a-zA-Z][^>]*(?:>|$)", re.DOTALL)
_NORMAL: Final = frozenset(b"!#$&*+,/:;=?@[]")
_UNRESERVED: Final = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
)
_HEX: Final = re.compile(rb"%[0-9a-fA-F]{2}")
_SCHEMES: Final = frozenset({"http", "https", "mailto"})
_NOT_IN_CSS: Final = frozenset("\0\"'()/;@[\\]`{}<>")
_ACTIVE_CSS: Final = ("expression", "mozbinding")


def text_of(value: Value) -> str:
    """Return *value* as text; nil is empty in HTML."""
    return "" if value is None else joined((value,))


def text(value: Value) -> str:
    """Escape for the text between tags."""
    return str(value) if isinstance(value, SafeHtml) else text_of(value).translate(_TEXT)


def inside_element(value: Value) -> str:
    """Escape for the text of `<title>` and `<textarea>`, where a tag is text as well."""
    table = _WITHIN if isinstance(value, SafeHtml) else _TEXT
    return text_of(value).translate(table)


def attribute(value: Value, *, quoted: bool) -> str:
    """Escape for the value of an attribute."""
    if isinstance(value, SafeHtml):
        shown = _TAG.sub("", value)
        table = _WITHIN if quoted else {k: v for k, v in _UNQUOTED.items() if k != ord("&")}
        return shown.translate(table)
    shown = text_of(value)
    if quoted:
        return shown.translate(_TEXT)
    return shown.translate(_UNQUOTED) if shown else UNSAFE


def attribute_name(value: Value) -> str:
    """Return a name that holds plain text, or what says that it is none."""
    name = text_of(value).lower()
    if not name.isascii() or not name.isalnum() or kind_of(name) is not None:
        return UNSAFE
    return name


def kind_of(name: str) -> str | None:
    """Return what the attribute *name* holds: script, css, url, srcset; None for plain text."""
    name = name.lower().removeprefix("data-")
    prefix, colon, local = name.partition(":")
    if colon:
        if prefix == "xmlns":
            return "url"
        name = local
    if name.startswith("on") or name == "srcdoc":
        return "script"
    if name in ("style", "srcset"):
        return "css" if name == "style" else "srcset"
    if name in _URLS or any(part in name for part in ("src", "uri", "url")):
        return "url"
    return None


_URLS: Final = frozenset(
    {
        "action", "archive", "background", "cite", "classid", "codebase", "data", "formaction",
        "href", "icon", "longdesc", "manifest", "poster", "profile", "src", "usemap", "xmlns",
    }
)  # fmt: skip


def url(value: Value, *, at_start: bool) -> str:
    """Return a URL, or part of its path; at the start only of a scheme that runs nothing."""
    shown = text_of(value)
    if at_start and not isinstance(value, SafeUrl) and not _is_safe_url(shown):
        return "#" + UNSAFE
    return _encode(shown, keep=_NORMAL)


def url_query(value: Value) -> str:
    """Escape for the query or the fragment of a URL."""
    keep = _NORMAL if isinstance(value, SafeUrl) else frozenset()
    return _encode(text_of(value), keep=keep)


def _is_safe_url(address: str) -> bool:
    scheme, colon, _ = address.partition(":")
    return not colon or "/" in scheme or scheme.lower() in _SCHEMES


def _encode(address: str, *, keep: frozenset[int]) -> str:
    raw, parts = address.encode("utf-8", "replace"), []
    for at, byte in enumerate(raw):
        kept = byte in _UNRESERVED or byte in keep
        if byte == ord("%") and keep and _HEX.match(raw, at):
            kept = True
        parts.append(chr(byte) if kept else f"%{byte:02x}")
    return "".join(parts)


def css(value: Value) -> str:
    """Return a value of CSS, such as a colour or a width, if it is no more than that."""
    shown = text_of(value)
    letters = "".join(letter for letter in shown.lower() if letter.isalpha())
    if any(letter in _NOT_IN_CSS for letter in shown) or "--" in shown:
        return UNSAFE
    return UNSAFE if any(word in letters for word in _ACTIVE_CSS) else shown
