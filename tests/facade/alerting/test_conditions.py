import ast
import math
import operator
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.facade.alerting.conditions import Condition, ConditionError
from veriscope.facade.alerting.syntax import MAX_CHARACTERS, MAX_DEPTH
from veriscope.signals import InvalidInputError

METRICS: dict[str, Any] = {
    "cpu": 1,
    "cpu_usage": 95.0,
    "error_rate": 0.01,
    "queue": 11,
    "status": "down",
    "ready": False,
    "nan": math.nan,
    "none": None,
    "temperatures": [60, 71.5],
    "gpu": {"0": {"temp": 80}, "temp": 79},
    "net.in": 5,
    "cpu-usage": 7,
    "numpy": np.float32(2.5),
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("cpu_usage > 90 and (error_rate > 0.05 or queue > 10)", True),
        ("cpu > 90", False),  # "cpu" is not a part of "cpu_usage"
        ("cpu_usage > cpu", True),
        ("50 < cpu_usage <= 95", True),
        ("50 < cpu_usage < 95", False),
        ("not cpu_usage > 90", False),
        ("!(queue > 20) && status == 'down'", True),
        ('status == "up" || ready', False),
        ("ready == false", True),
        ("error_rate < 5%", True),
        ("queue % 2 == 1", True),
        ("queue%2 == 1", True),
        ("-queue < -10", True),
        ("2 + 3 * 4 == 14", True),
        ("(2 + 3) * 4 == 20", True),
        ("8 - 4 - 2 == 2", True),
        ("1e3 == 1000", True),
        (".5 < 1.", True),
        ("250ms < 1s", True),
        ("2h == 7200", True),
        ("1GiB == 1024 * 1MB", True),
        ("abs(cpu - 4) == 3", True),
        ("max(cpu, queue, 3) == 11", True),
        ("min(temperatures) == 60", True),
        ("avg(temperatures, 71.5) > 67", True),
        ("gpu.temp > 78", True),
        ("net.in == 5", True),
        ("`cpu-usage` == 7", True),
        ("numpy > 2.4", True),
        ("status", True),
        ("cpu - 1", False),
        ("status == 3", False),
        ("nan > 0", False),
        ("nan != nan", True),
        ("max(nan, 1) > 0", False),
        ("missing > 3 or queue > 10", True),
        ("missing > 3 and queue > 20", False),
        ("1 > 2 > missing", False),
        ("cpu_usage > 90\n  and queue > 10", True),
        (r"status != 'it\'s'", True),
    ],
)
def test_a_condition_means_what_it_says(text: str, holds: bool) -> None:  # noqa: FBT001 - a table
    """Each row is a promise of the language."""
    assert Condition.parse(text).evaluate(METRICS).holds is holds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("missing > 3", "'missing' is missing"),
        ("missing > 3 and queue > 10", "'missing' is missing"),
        ("not none", "'none' is missing"),
        ("queue / (cpu - 1) > 2", "/ 0 has no value"),
        ("queue % 0 > 2", "% 0 has no value"),
        ("status > 3", "'down' > 3 cannot be compared"),
        ("status * 3 == 1", "needs numbers, not 'down'"),
        ("gpu.temp.core > 3", "missing"),
        ("gpu > 3", "of type dict"),
        ("temperatures + 1 > 3", "needs numbers, not a list"),
        ("abs(temperatures) > 3", "abs of 2 values"),
        ("-status > 3", "needs a number"),
        ("1e308 * 10 - 1e308 * 10", "not a number"),
        ("nan", "not a number"),
        ("9" * 400 + " / 3 > 1.5 * 1e300", "too large"),
    ],
)
def test_what_cannot_be_told_is_unknown_with_its_reason(text: str, reason: str) -> None:
    """An alert neither fires nor ends on what is not known."""
    verdict = Condition.parse(text).evaluate(METRICS)
    assert verdict.holds is None
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("cpu >", 5, "not the end"),
        ("cpu = 3", 4, "write == to compare"),
        ("(cpu > 3", 8, ") is needed"),
        ("cpu 3", 4, "an operator is needed"),
        ("cpu > 3)", 7, "an operator is needed"),
        ("rate(cpu) > 3", 0, "is no function"),
        ("__import__('os')", 0, "is no function"),
        ("cpu.system('x')", 0, "is no function"),
        ("cpu > 3parsec", 7, "is no unit"),
        ("status == 'down", 10, "never closed"),
        ("`cpu > 3", 0, "never closed"),
        ("cpu[0] > 3", 3, "not understood"),
        ("cpu.__class__ > ", 15, "not the end"),
        ("abs(1, 2) > 3", 0, "takes 1 argument"),
        ("max() > 3", 4, "not ')'"),
        ("", 0, "not the end"),
        ("not", 3, "not the end"),
        ("1 + and 2", 4, "not 'and'"),
    ],
)
def test_a_fault_is_refused_with_its_place(text: str, position: int, said: str) -> None:
    """The error points at the character where the condition stops making sense."""
    with pytest.raises(ConditionError, match=r"column") as caught:
        Condition.parse(text)
    assert caught.value.position == position
    assert said in str(caught.value)
    assert isinstance(caught.value, InvalidInputError)


def test_length_and_depth_are_bounded() -> None:
    """No text can exhaust the stack, when it is read or when it is evaluated."""
    for text in (
        "(" * 1000 + "1" + ")" * 1000,
        "not " * 1000 + "1",
        "-" * 1000 + "1",
        "1" + " + 1" * (MAX_DEPTH + 1),
        "1 < " * 3 + "x" * MAX_CHARACTERS,
    ):
        with pytest.raises(ConditionError):
            Condition.parse(text)
    many = Condition.parse(" or ".join(["cpu > 3"] * 300))
    assert many.evaluate(METRICS).holds is False


def test_names_are_those_of_the_metrics() -> None:
    """What a condition needs can be known before it is evaluated."""
    condition = Condition.parse("max(a, b.c) > 3 and not `d e` == -f or 1 < g")
    assert condition.names() == {"a", "b.c", "d e", "f", "g"}


NUMBERS = st.one_of(
    st.integers(0, 1000).map(str),
    st.floats(0, 1e6, allow_nan=False).map(lambda number: f"{number:.3f}"),
    st.sampled_from(["a", "b", "c", "True", "False"]),
)
OPERATORS = ["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or"]


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(" ".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"(not {text})"),
        inner.map(lambda text: f"(- {text})"),
        st.tuples(inner, inner).map(lambda pair: f"max({pair[0]}, {pair[1]})"),
        inner.map(lambda text: f"abs({text})"),
    )


EXPRESSIONS = st.recursive(NUMBERS, _extend, max_leaves=12)
BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def python_value(node: ast.expr, names: dict[str, float]) -> Any:  # noqa: C901, PLR0911 - one case per node
    """Evaluate *node* as Python itself would."""
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return names[name]
        case ast.UnaryOp(sign, operand):
            value = python_value(operand, names)
            return not value if isinstance(sign, ast.Not) else -value
        case ast.BinOp(left, sign, right):
            return BINARY[type(sign)](python_value(left, names), python_value(right, names))
        case ast.BoolOp(word, values):
            for each in values:
                value = python_value(each, names)
                if bool(value) is isinstance(word, ast.Or):
                    break
            return value
        case ast.Compare(left, signs, others):
            value = python_value(left, names)
            for sign, other in zip(signs, others, strict=True):
                following = python_value(other, names)
                if not BINARY[type(sign)](value, following):
                    return False
                value = following
            return True
        case ast.Call(ast.Name(name), arguments):
            return {"max": max, "abs": abs}[name](*[python_value(a, names) for a in arguments])
    raise AssertionError(ast.dump(node))


@given(EXPRESSIONS, st.tuples(*[st.floats(-100, 100)] * 3))
def test_the_common_part_of_the_language_is_pythons(
    text: str, values: tuple[float, float, float]
) -> None:
    """Whatever both can read, both evaluate alike, divisions by zero apart."""
    names = dict(zip("abc", values, strict=True))
    ours = Condition.parse(text).evaluate(names)
    try:
        wanted = python_value(ast.parse(text, mode="eval").body, names)
    except ZeroDivisionError:
        return
    except OverflowError:
        assert ours.holds is None
        return
    if isinstance(wanted, float) and math.isnan(wanted):
        assert ours.holds is None
    elif ours.holds is None:
        # Python stops at the first operand that decides; a chain of ours looks at all.
        assert "has no value" in ours.reason
    else:
        assert ours.holds is bool(wanted)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the parser or the evaluation fail in another way than its own."""
    depth = sys.getrecursionlimit()
    try:
        condition = Condition.parse(text)
    except ConditionError:
        return
    condition.evaluate({})
    assert sys.getrecursionlimit() == depth
