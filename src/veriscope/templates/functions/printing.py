"""Values as text: Go's `fmt`, its verbs, flags and markers of what does not fit."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from veriscope.templates.constants import quote
from veriscope.templates.functions.calls import CallError
from veriscope.templates.functions.floats import hexadecimal, spell
from veriscope.templates.functions.limits import Output, Room
from veriscope.templates.times import GoDuration, GoTime, Named
from veriscope.templates.values import Record, Value, type_name

_VERB: Final = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>\[\d+\]\*|\*|\d+)?"
    r"(?P<point>\.(?P<precision>\[\d+\]\*|\*|\d+)?)?"
    r"(?:\[(?P<index>\d+)\])?(?P<verb>.)?",
    re.DOTALL,
)
_LARGEST: Final = 1_000_000
_BAD_INDEX: Final = "%!(BADINDEX)"
_MAX_DEPTH: Final = 50
_NAMED_FIELDS: Final = "N"
"""The flag that `+` comes to with `%v`: structs with the names of their fields, no signs."""
_BASES: Final = {"d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}


@dataclass(frozen=True, slots=True)
class Format:
    """How one verb writes its operand."""

    verb: str
    flags: str = ""
    width: int | None = None
    precision: int | None = None

    def pad(self, text: str, *, numeric: bool = False) -> str:
        """Bring *text* to the width: on the left unless `-` is set, with zeros if `0` is."""
        if self.width is None:
            return text
        if "-" in self.flags:
            return text.ljust(self.width)
        if "0" in self.flags and numeric and text[:1] in "+-":
            return text[:1] + text[1:].rjust(self.width - 1, "0")
        return text.rjust(self.width, "0" if "0" in self.flags else " ")


_PLAIN: Final = Format("v")


def text_of(value: Value) -> str:
    """Return *value* as an action writes it."""
    return "<no value>" if value is None else write(value, _PLAIN)


def sprint(values: Sequence[Value]) -> str:
    """Join *values* with a space wherever neither of two neighbours is a string."""
    output = Output()
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            output.add(" ")
        output.add(write(value, _PLAIN))
    return str(output)


def sprintln(values: Sequence[Value]) -> str:
    """Join *values* with spaces, and end the line."""
    output = Output()
    for at, value in enumerate(values):
        output.add((" " if at else "") + write(value, _PLAIN))
    output.add("\n")
    return str(output)


def sprintf(layout: str, values: Sequence[Value]) -> str:
    """Write *values* by *layout*."""
    return _Printf(values).run(layout)


class _Printf:
    def __init__(self, values: Sequence[Value]) -> None:
        self._values = values
        self._next = 0
        self._reordered = False
        self._output = Output()

    def run(self, layout: str) -> str:
        at = 0
        for match in _VERB.finditer(layout):
            self._output.add(layout[at : match.start()])
            self._output.add(self._verb(match))
            at = match.end()
        self._output.add(layout[at:])
        self._extra()
        return str(self._output)

    def _verb(self, match: re.Match[str]) -> str:
        notes: list[str] = []
        flags = match["flags"]
        width = self._number(match["width"], "WIDTH", notes)
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        if "-" in flags:
            flags = flags.replace("0", "")
        if match["verb"] == "v":
            flags = flags.replace("+", _NAMED_FIELDS)
        precision = self._number(match["precision"], "PREC", notes) if match["point"] else None
        if match["point"] and precision is None:
            precision = 0
        if match["index"]:
            self._jump(int(match["index"]), notes)
        verb = match["verb"]
        if verb is None:
            return "".join(notes) + "%!(NOVERB)"
        if verb == "%":
            return "%"
        if _BAD_INDEX in notes:
            return f"%!{verb}(BADINDEX)"
        return "".join(notes) + self._operand(Format(verb, flags, width, precision))

    def _operand(self, form: Format) -> str:
        if self._next >= len(self._values):
            return f"%!{form.verb}(MISSING)"
        value = self._values[self._next]
        self._next += 1
        return write(value, form)

    def _jump(self, number: int, notes: list[str]) -> None:
        self._reordered = True
        if 1 <= number <= len(self._values):
            self._next = number - 1
        else:
            notes.append(_BAD_INDEX)

    def _number(self, text: str | None, name: str, notes: list[str]) -> int | None:
        if text is None:
            return None
        if not text.endswith("*"):
            found = int(text[:8])
            if found <= _LARGEST:
                return found
            notes.append(f"%!(BAD{name})")
            return None
        if text.startswith("["):
            self._jump(int(text[1:-2]), notes)
        value = self._values[self._next] if self._next < len(self._values) else None
        self._next += 1
        if type(value) is int and abs(value) <= _LARGEST:
            return value
        notes.append(f"%!(BAD{name})")
        return None

    def _extra(self) -> None:
        """Name the operands that no verb took."""
        if self._reordered or self._next >= len(self._values):
            return
        rest = self._values[self._next :]
        named = [
            "<nil>" if one is None else f"{type_name(one)}={write(one, _PLAIN)}" for one in rest
        ]
        self._output.add("%!(EXTRA " + ", ".join(named) + ")")


def write(value: Value, form: Format, room: Room | None = None) -> str:
    """Return *value* as the verb of *form* writes it; raises `CallError` where it is too large."""
    room = room or Room()
    has_parts = isinstance(value, Mapping | Sequence | Record) and not isinstance(value, str)
    if has_parts and form.verb != "T":
        return _nested(value, form, room)
    text = _single(value, form)
    room.take(len(text))
    return text


def _single(value: Value, form: Format) -> str:
    if form.verb == "T":
        return form.pad(type_name(value))
    if value is None:
        return form.pad("<nil>") if form.verb == "v" else f"%!{form.verb}(<nil>)"
    if form.verb in "vsxXq" and isinstance(value, GoTime | GoDuration | Named):
        return _string(value.name if isinstance(value, Named) else value.text(), form)
    for type_, written in _WRITERS:
        if isinstance(value, type_):
            return written(value, form)
    return _bad(value, form)


def _nested(value: Value, form: Format, room: Room) -> str:
    room.take(0)
    room.depth += 1
    if room.depth > _MAX_DEPTH:
        raise CallError(f"a value is nested deeper than {_MAX_DEPTH} levels; make it flatter")
    try:
        return _elements(value, form, room)
    finally:
        room.depth -= 1


def _elements(value: Value, form: Format, room: Room) -> str:
    if isinstance(value, Mapping):
        pairs = [
            f"{write(key, form, room)}:{write(value[key], form, room)}" for key in sorted(value)
        ]
        return f"map[{' '.join(pairs)}]"
    if isinstance(value, Record):
        named = _NAMED_FIELDS in form.flags
        fields = [
            (f"{name}:" if named else "") + write(one, form, room)
            for name, one in value.fields.items()
        ]
        return f"{{{' '.join(fields)}}}"
    return f"[{' '.join(write(one, form, room) for one in value)}]"


def _bad(value: Value, form: Format) -> str:
    """Mark that the verb is none of the value's type."""
    shown = write(value, replace(form, verb="v"))
    return f"%!{form.verb}({type_name(value)}={shown})"


def _bool(value: bool, form: Format) -> str:  # noqa: FBT001 - a value like others
    if form.verb not in "tv":
        return _bad(value, form)
    return form.pad("true" if value else "false")


def _int(value: int, form: Format) -> str:
    verb = "d" if form.verb == "v" else form.verb
    if verb in _BASES:
        return _integer(value, form, verb)
    if verb == "U":
        return form.pad(f"U+{value & 0xFFFF_FFFF_FFFF_FFFF:04X}")
    if verb not in "cq":
        return _bad(value, form)
    rune = chr(value) if 0 <= value <= 0x10FFFF else "\ufffd"  # noqa: PLR2004 - code points
    if verb == "c":
        return form.pad(rune)
    return form.pad(quote(rune, ascii_only="+" in form.flags, mark="'"))


def _integer(value: int, form: Format, verb: str) -> str:
    sign = "-" if value < 0 else "+" if "+" in form.flags else " " if " " in form.flags else ""
    digits = format(abs(value), _BASES[verb])
    if form.precision is not None:
        digits = "" if form.precision == 0 and value == 0 else digits.rjust(form.precision, "0")
        form = replace(form, flags=form.flags.replace("0", ""))
    elif "0" in form.flags and form.width is not None:
        digits = digits.rjust(form.width - len(sign), "0")
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in form.flags else ""
    return form.pad(sign + ("0o" if verb == "O" else prefix) + digits)


def _float(value: float, form: Format) -> str:
    verb = "g" if form.verb == "v" else form.verb
    if verb not in "eEfFgGxX":
        return _bad(value, form)
    precision = form.precision
    if precision is None and verb not in "gGxX":
        precision = 6
    shown = hexadecimal(value, verb) if verb in "xX" else spell(value, verb, precision)
    if not shown.startswith(("-", "+")):
        shown = ("+" if "+" in form.flags else " " if " " in form.flags else "") + shown
    if not shown[-1].isdigit():  # no zeros before what is no number
        form = replace(form, flags=form.flags.replace("0", ""))
    return form.pad(shown, numeric=True)


def _string(value: str, form: Format) -> str:
    if form.verb in "vs":
        return form.pad(value if form.precision is None else value[: form.precision])
    if form.verb == "q":
        cut = value if form.precision is None else value[: form.precision]
        if "#" in form.flags and "`" not in cut and cut.isprintable():
            return form.pad(f"`{cut}`")
        return form.pad(quote(cut, ascii_only="+" in form.flags))
    if form.verb in "xX":
        raw = value.encode("utf-8", "replace")[: form.precision]
        prefix = "0x" if "#" in form.flags and raw else ""
        shown = prefix + (raw.hex(" ") if " " in form.flags else raw.hex())
        if " " in form.flags and prefix:
            shown = shown.replace(" ", " 0x")
        return form.pad(shown.upper() if form.verb == "X" else shown)
    return _bad(value, form)


_WRITERS: Final[Sequence[tuple[type, Callable[[Value, Format], str]]]] = (
    (bool, _bool),
    (int, _int),
    (float, _float),
    (str, _string),
)
