"""YAML files, read strictly into types; every fault names its line and its cure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
import yaml

from veriscope.signals.errors import InvalidInputError
from veriscope.signals.units import decode_unit

T = TypeVar("T")
Step: TypeAlias = str | int
"""A key of a mapping or an index of a list, on the way to a value."""

_UNKNOWN: Final = re.compile(r"unknown field `(.+)`")
_ANY: Final = "..."  # msgspec's word for some key of a mapping
_NULL: Final = "tag:yaml.org,2002:null"
_MERGE: Final = "tag:yaml.org,2002:merge"  # of the key `<<`
_START: Final = yaml.Mark("", 0, 0, 0, None, 0)
_MOST_VALUES: Final = 1_000_000
_SWITCHES: Final = {"yes": True, "on": True, "no": False, "off": False}
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


class DocumentError(InvalidInputError):
    """A file cannot be used; the message names file, line, fault and cure."""


def decode_yaml(text: str, name: str, kind: type[T], *, as_text: bool = False) -> T:
    """
    Read *text* as a *kind*; *name* is what errors call it. An empty document has no keys.

    With *as_text* every scalar is the text that was written, as Prometheus reads its rule files:
    a label value `1` or `yes` is a string, and a switch is on if `yes` or `on` was written.
    Raises `DocumentError`.
    """
    return decode_node(compose_yaml(text, name), name, kind, as_text=as_text)


def compose_yaml(text: str, name: str) -> yaml.Node:
    """
    Return the tree of *text*, an empty one for an empty document; *name* is what errors call it.

    Raises `DocumentError` for what is no YAML, or gives a key twice.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None or root.tag == _NULL:
            return yaml.MappingNode("tag:yaml.org,2002:map", [], _START, _START)
        _refuse_duplicates(root, name)
    except yaml.reader.ReaderError as error:
        raise DocumentError(f"{name}: not YAML: {error.reason}: U+{error.character:04X}") from error
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, name) from error
    except RecursionError as error:
        raise _too_deep(name) from error
    return root


def decode_node(root: yaml.Node, name: str, kind: type[T], *, as_text: bool = False) -> T:
    """Read the tree of a document, or a part of it, as `decode_yaml` reads its text."""
    try:
        if as_text and _spelled_out(root, {}) > _MOST_VALUES:
            raise DocumentError(
                f"{name}: aliases (`*`) make over {_MOST_VALUES:,} values of it; use fewer"
            )
        data = _texts(root) if as_text else yaml.SafeLoader("").construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, name) from error
    except RecursionError as error:
        raise _too_deep(name) from error
    return _convert(data, root, name, kind, as_text=as_text)


def _not_yaml(error: yaml.MarkedYAMLError, name: str) -> DocumentError:
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    return DocumentError(f"{name}:{line}: not YAML: {error.problem}")


def _too_deep(name: str) -> DocumentError:
    return DocumentError(f"{name}: nested too deeply; remove what holds itself")


def _convert(data: Any, root: yaml.Node, name: str, kind: type[T], *, as_text: bool) -> T:
    try:
        return msgspec.convert(data, kind, strict=not as_text, dec_hook=decode_unit)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `")
        path = list(_steps(place.rstrip("`")))
        if as_text and message.startswith("Expected `bool") and _switch(data, path):
            return _convert(data, root, name, kind, as_text=as_text)
        if unknown := _UNKNOWN.search(message):
            path.append(unknown[1])
            message = f"unknown key `{unknown[1]}`; remove it or correct its spelling"
        raise DocumentError(f"{name}:{line_of(root, path)}: {message}") from error


def _texts(node: yaml.Node) -> Any:
    """Return *node* with every scalar as its text; a key without a value is as if not given."""
    if isinstance(node, yaml.MappingNode):
        if any(key.tag == _MERGE for key, _ in node.value):
            yaml.SafeLoader("").flatten_mapping(node)
        pairs = [(key.value, _texts(value)) for key, value in node.value]
        return {key: value for key, value in pairs if value is not None}
    if isinstance(node, yaml.SequenceNode):
        return [_texts(part) for part in node.value]
    return None if node.tag == _NULL else node.value


def _switch(data: Any, path: Sequence[Step]) -> bool:
    """Put true or false where *path* leads to `yes`, `no`, `on` or `off`; tell if it does."""
    if _ANY in path:
        return False
    for step in path[:-1]:
        data = data[step]
    if not isinstance(value := data[path[-1]], str) or value.lower() not in _SWITCHES:
        return False
    data[path[-1]] = _SWITCHES[value.lower()]
    return True


def _steps(place: str) -> Iterator[Step]:
    for name, index in _STEP.findall(place):
        yield name or (int(index) if index.isdigit() else index)


def line_of(root: yaml.Node, path: Iterable[Step]) -> int:
    """Return the line, from 1, of what *path* leads to, as far as it leads."""
    node, line = root, root.start_mark.line
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line
        else:
            break
    return line + 1


def _spelled_out(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values *node* has with what its aliases lead to in their place."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            parts = [value for _, value in node.value]
        known[id(node)] = 1 + sum(_spelled_out(part, known) for part in parts)
    return known[id(node)]


def _refuse_duplicates(root: yaml.Node, name: str) -> None:
    # An alias leads to a node that was seen before, or is being looked into.
    waiting, known = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        parts = list(node.value) if isinstance(node, yaml.SequenceNode) else []
        if isinstance(node, yaml.MappingNode):
            _refuse_duplicate_keys([key for key, _ in node.value], name)
            parts = [value for _, value in node.value]
        waiting += (part for part in parts if id(part) not in known)
        known.update(map(id, parts))


def _refuse_duplicate_keys(keys: list[yaml.Node], name: str) -> None:
    seen: set[str] = set()
    for key in keys:
        place = f"{name}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise DocumentError(f"{place}: a key is a word, not a list or a mapping")
        if key.value in seen:
            raise DocumentError(f"{place}: key `{key.value}` is given twice; remove one")
        seen.add(key.value)
