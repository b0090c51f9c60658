"""
Where a template for HTML writes: it follows the tags, and escapes each value for its place.

Go decides this before it runs a template; here it is decided while it is written, with the same
result, and branches that leave different places behind are no fault.
"""

import re
from enum import Enum, auto
from typing import Final

from veriscope.templates.functions.calls import CallError
from veriscope.templates.functions.limits import Output
from veriscope.templates.html import escapers
from veriscope.templates.values import Value


class Place(Enum):
    """Where in HTML the next character stands."""

    TEXT = auto()
    COMMENT = auto()
    TAG = auto()
    NAME = auto()
    AFTER_NAME = auto()
    BEFORE_VALUE = auto()
    VALUE = auto()
    ELEMENT = auto()


_SPACE: Final = " \t\n\f\r"
_OPEN: Final = re.compile(r"<(?:!--|/?[a-zA-Z][a-zA-Z0-9:-]*)")
_NAME_END: Final = re.compile(r"[\s=>/]")
_ELEMENTS: Final = frozenset({"script", "style", "textarea", "title"})
"""Elements whose text holds no tags."""
_CURES: Final = {
    "script": "write it into the text or into an attribute such as data-x instead",
    "srcset": "use src",
}


class HtmlWriter(Output):
    """Takes a template's text, and its values escaped."""

    def __init__(self) -> None:
        super().__init__()
        self._place = Place.TEXT
        self._element = ""
        self._closes = False
        self._name = ""
        self._kind: str | None = None
        self._delimiter = ""
        self._before = ""

    def text(self, text: str) -> None:
        """Append the template's own *text*, less HTML comments."""
        at = 0
        while at < len(text):
            at = self._STEPS[self._place](self, text, at)

    def value(self, value: Value) -> None:
        """Append what an action gave, escaped for where it stands."""
        match self._place:
            case Place.TEXT:
                self.add(escapers.text(value))
            case Place.COMMENT:
                pass
            case Place.TAG | Place.NAME | Place.AFTER_NAME:
                self._value_as_name(value)
            case Place.ELEMENT:
                self._value_in_element(value)
            case Place.BEFORE_VALUE | Place.VALUE:
                self._value_of_attribute(value)

    # values

    def _value_as_name(self, value: Value) -> None:
        name = escapers.attribute_name(value)
        self.add(name)
        self._name = self._name + name if self._place is Place.NAME else name
        self._place = Place.NAME

    def _value_in_element(self, value: Value) -> None:
        if self._element == "script":
            raise CallError(f"a value inside <script> is never safe; {_CURES['script']}")
        self.add(self._style(value) if self._element == "style" else escapers.inside_element(value))

    def _value_of_attribute(self, value: Value) -> None:
        if self._place is Place.BEFORE_VALUE:
            self._begin_value("")
        if self._kind in _CURES:
            message = f"a value in the attribute {self._name} is never safe"
            raise CallError(f"{message}; {_CURES[str(self._kind)]}")
        if self._kind == "url":
            value = self._url(value)
        elif self._kind == "css":
            value = self._style(value)
        self.add(escapers.attribute(value, quoted=bool(self._delimiter)))

    def _url(self, value: Value) -> str:
        if "?" in self._before or "#" in self._before:
            return escapers.url_query(value)
        return escapers.url(value, at_start=not self._before.strip(_SPACE))

    def _style(self, value: Value) -> str:
        bare = re.sub(r"/\*.*?\*/", "", self._before, flags=re.DOTALL)
        open_url = bare.lower().rfind("url(")
        if (
            bare.count('"') % 2
            or bare.count("'") % 2
            or "/*" in bare
            or (open_url >= 0 and ")" not in bare[open_url:])
        ):
            raise CallError("a value inside a string or URL of CSS is never safe; use an attribute")
        shown = escapers.css(value)
        self._before += shown
        return shown

    # text, a piece at a time; each returns where the next piece begins

    def _in_text(self, text: str, at: int) -> int:
        match = _OPEN.search(text, at)
        end = len(text) if match is None else match.start()
        self.add(_lone_brackets(text[at:end]))
        if match is None:
            return end
        if match[0] == "<!--":
            self._place = Place.COMMENT
            return match.end()
        self.add(match[0])
        self._closes = match[0][1] == "/"
        self._element = match[0].lstrip("</").lower()
        self._place = Place.TAG
        return match.end()

    def _in_comment(self, text: str, at: int) -> int:
        end = text.find("-->", at)
        if end < 0:
            return len(text)
        self._place = Place.TEXT
        return end + 3

    def _in_tag(self, text: str, at: int) -> int:
        letter = text[at]
        if letter == ">":
            self.add(letter)
            raw = self._element in _ELEMENTS and not self._closes
            self._place, self._before = (Place.ELEMENT if raw else Place.TEXT), ""
        elif letter in _SPACE or letter == "/":
            self.add(letter)
        else:
            self._place, self._name = Place.NAME, ""
            return at
        return at + 1

    def _in_name(self, text: str, at: int) -> int:
        match = _NAME_END.search(text, at)
        end = len(text) if match is None else match.start()
        self.add(text[at:end])
        self._name += text[at:end]
        if match is not None:
            self._place = Place.AFTER_NAME
            if end == at and not self._name:  # "=" where a name should stand
                self.add(text[at])
                self._name = text[at]
                return at + 1
        return end

    def _after_name(self, text: str, at: int) -> int:
        letter = text[at]
        if letter in _SPACE or letter == "=":
            self.add(letter)
            if letter == "=":
                self._kind = escapers.kind_of(self._name)
                self._place = Place.BEFORE_VALUE
            return at + 1
        self._place = Place.TAG
        return at

    def _before_value(self, text: str, at: int) -> int:
        letter = text[at]
        if letter in _SPACE:
            self.add(letter)
            return at + 1
        if letter == ">":
            self._place = Place.TAG
            return at
        if letter in "\"'":
            self.add(letter)
            self._begin_value(letter)
            return at + 1
        self._begin_value("")
        return at

    def _begin_value(self, delimiter: str) -> None:
        self._place, self._delimiter, self._before = Place.VALUE, delimiter, ""

    def _in_value(self, text: str, at: int) -> int:
        if self._delimiter:
            end = text.find(self._delimiter, at)
        else:
            found = re.compile(r"[\s>]").search(text, at)
            end = -1 if found is None else found.start()
        piece = text[at:] if end < 0 else text[at:end]
        self.add(piece)
        self._before += piece
        if end < 0:
            return len(text)
        self.add(self._delimiter)
        self._place = Place.TAG
        return end + len(self._delimiter)

    def _in_element(self, text: str, at: int) -> int:
        match = re.compile(rf"</{self._element}(?![a-z0-9:-])", re.IGNORECASE).search(text, at)
        end = len(text) if match is None else match.start()
        piece = text[at:end]
        is_text = self._element in ("textarea", "title")
        self.add(_lone_brackets(piece) if is_text else piece)
        self._before += piece
        if match is None:
            return end
        self.add(match[0])
        self._closes, self._place = True, Place.TAG
        return match.end()

    _STEPS: Final = {
        Place.TEXT: _in_text,
        Place.COMMENT: _in_comment,
        Place.TAG: _in_tag,
        Place.NAME: _in_name,
        Place.AFTER_NAME: _after_name,
        Place.BEFORE_VALUE: _before_value,
        Place.VALUE: _in_value,
        Place.ELEMENT: _in_element,
    }


def _lone_brackets(text: str) -> str:
    """Escape each `<` that opens no tag, but that of the document's type."""
    return re.sub(r"<(?!!doctype)", "&lt;", text, flags=re.IGNORECASE)
