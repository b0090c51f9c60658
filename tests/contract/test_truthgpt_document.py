"""
The TruthGPT document, name by name: `truthgpt.txt` holds one row for each.

A row's parameters must be there under the same names, in the same order, with the same defaults
(one that the document needs may be optional here); what Veriscope adds comes after them and is
optional.
"""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

import veriscope

ROWS = (Path(__file__).parent / "truthgpt.txt").read_text().splitlines()


def rows(kind: str) -> Any:
    """Parametrize with the rows of *kind*, without that word."""
    chosen = [row.removeprefix(f"{kind} ") for row in ROWS if row.startswith(f"{kind} ")]
    assert chosen, f"the table has no {kind}"
    return pytest.mark.parametrize("row", chosen)


def test_every_row_is_of_a_kind_that_is_tested() -> None:
    """A row that no test reads would promise nothing."""
    known = {"class", "field", "member", "constructor", "attribute", "method", "coroutine", "key"}
    assert {row.split()[0] for row in ROWS} == known


@rows("class")
def test_the_class_is_importable_from_the_package(row: str) -> None:
    """`from veriscope import X` works, and X is public."""
    assert inspect.isclass(getattr(veriscope, row))
    assert row in veriscope.__all__


@rows("field")
def test_the_dataclass_has_the_field(row: str) -> None:
    """The field stands where the document has it, so that positional construction works."""
    owner, declaration = row.split(".", 1)
    name = declaration.partition(":")[0]
    default = declaration.partition(" = ")[2]
    fields = [field.name for field in dataclasses.fields(getattr(veriscope, owner))]
    documented = [
        other.split(".", 1)[1].partition(":")[0]
        for other in ROWS
        if other.startswith(f"field {owner}.")
    ]
    assert fields[: len(documented)] == documented
    field = dataclasses.fields(getattr(veriscope, owner))[fields.index(name)]
    optional = field.default, field.default_factory
    assert (optional != (dataclasses.MISSING, dataclasses.MISSING)) == bool(default)
    if default not in ("", "None"):
        assert repr(field.default) == default


@rows("member")
def test_the_enumeration_has_the_member(row: str) -> None:
    """The member has the document's value."""
    path, value = row.split(" = ")
    owner, name = path.split(".")
    assert repr(getattr(veriscope, owner)[name].value) == value


@rows("constructor")
def test_the_constructor_takes_the_arguments(row: str) -> None:
    """The arguments of the document are taken."""
    name, parameters = row.rstrip(")").split("(", 1)
    assert_takes(getattr(veriscope, name), parameters)


@rows("method")
def test_the_method_takes_the_arguments(row: str) -> None:
    """The method is there, is no coroutine, and takes the arguments of the document."""
    assert_takes(method := the_method(row), parameters_of(row), bound=True)
    assert not inspect.iscoroutinefunction(method)


@rows("coroutine")
def test_the_coroutine_takes_the_arguments(row: str) -> None:
    """The method is a coroutine function that takes the arguments of the document."""
    assert_takes(method := the_method(row), parameters_of(row), bound=True)
    assert inspect.iscoroutinefunction(method)


@rows("attribute")
def test_the_object_has_the_attribute(row: str, a_fresh: dict[str, Any]) -> None:
    """A new object has the attribute, before anything is started."""
    owner, name = row.split(".")
    assert hasattr(a_fresh[owner], name)


@rows("key")
def test_the_answer_has_the_key(row: str, answers: dict[str, Any]) -> None:
    """The answer of a real object in use has the key; dots go into what it holds."""
    method, path = row.split(" ")
    found = answers[method]
    for step in path.split("."):
        found = found[int(step)] if isinstance(found, list | tuple) else found[step]


def the_method(row: str) -> Any:
    """Return the function that *row* names."""
    owner, name = row.partition("(")[0].split(".")
    return getattr(getattr(veriscope, owner), name)


def parameters_of(row: str) -> str:
    """Return the text between the outer parentheses."""
    return row.partition("(")[2].removesuffix(")")


def assert_takes(function: Any, parameters: str, *, bound: bool = False) -> None:
    """Assert that *function* begins with *parameters*, and that what follows is optional."""
    real = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if not (bound and parameter.name == "self")
    ]
    documented = [part.strip() for part in parameters.split(",") if part.strip()]
    for asked in documented:
        name, has_default, default = asked.partition("=")
        if name.startswith("**"):
            assert any(parameter.kind is parameter.VAR_KEYWORD for parameter in real)
            continue
        parameter = real.pop(0)
        assert parameter.name == name
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if has_default:
            assert spelled(parameter.default) == default
    for extra in real:
        assert extra.default is not extra.empty or extra.kind in (
            extra.VAR_KEYWORD,
            extra.VAR_POSITIONAL,
        )


def spelled(default: Any) -> str:
    """Return *default* as the document writes it."""
    return str(default) if isinstance(default, veriscope.LogLevel) else repr(default)
