from typing import Any

import msgspec
import pytest

from veriscope.collect.scrape import RelabelConfig, Relabeller
from veriscope.signals import InvalidInputError, decode_unit

LABELS = {"a": "foo", "b": "bar", "c": "baz"}


def apply(labels: dict[str, str], *rules: dict[str, object]) -> dict[str, str] | None:
    """Return the labels after *rules*; None where they are dropped."""
    configs = [msgspec.convert(rule, RelabelConfig, dec_hook=decode_unit) for rule in rules]
    found = dict(labels)
    return found if Relabeller.compile(configs).apply(found) else None


# The cases are those of Prometheus' model/relabel/relabel_test.go.
@pytest.mark.parametrize(
    ("labels", "rules", "expected"),
    [
        (
            LABELS,
            [{"source_labels": ["a"], "regex": "f(.*)", "target_label": "d",
              "replacement": "ch${1}-ch${1}"}],
            LABELS | {"d": "choo-choo"},
        ),
        (
            LABELS,
            [
                {"source_labels": ["a", "b"], "regex": "f(.*);(.*)r", "target_label": "a",
                 "replacement": "b${1}${2}m"},
                {"source_labels": ["c", "a"], "regex": "(b).*b(.*)ba(.*)", "target_label": "d",
                 "replacement": "$1$2$2$3"},
            ],
            {"a": "boobam", "b": "bar", "c": "baz", "d": "boooom"},
        ),
        ({"a": "foo"}, [{"source_labels": ["a"], "regex": ".*o.*", "action": "drop"}], None),
        ({"a": "abc"}, [{"source_labels": ["a"], "regex": ".*(b).*", "target_label": "d",
                         "replacement": "$1"}], {"a": "abc", "d": "b"}),
        ({"a": "foo"}, [{"source_labels": ["a"], "regex": "no-match", "action": "drop"}],
         {"a": "foo"}),
        ({"a": "foo"}, [{"source_labels": ["a"], "regex": "f|o", "action": "drop"}],
         {"a": "foo"}),
        ({"a": "foo"}, [{"source_labels": ["a"], "regex": "no-match", "action": "keep"}], None),
        ({"a": "foo"}, [{"source_labels": ["a"], "regex": "f.*", "action": "KEEP"}],
         {"a": "foo"}),
        ({"a": "boo"}, [{"source_labels": ["a"], "regex": "(b).*", "target_label": "a",
                         "replacement": ""}], {}),
        (LABELS, [{"source_labels": ["c"], "target_label": "d", "action": "hashmod",
                   "modulus": 1000}], LABELS | {"d": "976"}),
        ({"a": "foo\nbar"}, [{"source_labels": ["a"], "target_label": "b", "action": "hashmod",
                              "modulus": 1000}], {"a": "foo\nbar", "b": "734"}),
        ({"a": "foo\nbar"}, [{"source_labels": ["a"], "regex": "foo.bar", "action": "drop"}],
         None),
        ({"a": "foo", "b1": "bar", "b2": "baz"}, [{"regex": "(b.*)", "replacement": "bar_${1}",
                                                  "action": "labelmap"}],
         {"a": "foo", "b1": "bar", "b2": "baz", "bar_b1": "bar", "bar_b2": "baz"}),
        ({"a": "foo", "__meta_my_bar": "aaa", "__meta_other": "x"},
         [{"regex": "__meta_(my.*)", "action": "labelmap"}],
         {"a": "foo", "__meta_my_bar": "aaa", "__meta_other": "x", "my_bar": "aaa"}),
        ({"a": "some-name-value"}, [{"source_labels": ["a"], "regex": "some-([^-]+)-([^,]+)",
          "replacement": "${2}", "target_label": "${1}"}],
         {"a": "some-name-value", "name": "value"}),
        ({"a": "some-name-value"}, [{"source_labels": ["a"], "regex": "some-([^-]+)-([^,]+)",
          "replacement": "${3}", "target_label": "${1}"}], {"a": "some-name-value"}),
        ({"a": "foo", "b1": "x", "b2": "y"}, [{"regex": "(b.*)", "action": "labelkeep"}],
         {"b1": "x", "b2": "y"}),
        ({"a": "foo", "b1": "x", "b2": "y"}, [{"regex": "(b.*)", "action": "labeldrop"}],
         {"a": "foo"}),
        ({"foo": "bAr123Foo"}, [
            {"source_labels": ["foo"], "action": "uppercase", "target_label": "up"},
            {"source_labels": ["foo"], "action": "lowercase", "target_label": "low"}],
         {"foo": "bAr123Foo", "up": "BAR123FOO", "low": "bar123foo"}),
        ({"p": "1", "q": "1"}, [{"source_labels": ["p"], "action": "keepequal",
                                 "target_label": "q"}], {"p": "1", "q": "1"}),
        ({"p": "1", "q": "2"}, [{"source_labels": ["p"], "action": "keepequal",
                                 "target_label": "q"}], None),
        ({"p": "1", "q": "1"}, [{"source_labels": ["p"], "action": "dropequal",
                                 "target_label": "q"}], None),
        ({"a": "x"}, [{"target_label": "d", "replacement": "a$$b${nope}$9$"}],
         {"a": "x", "d": "a$b$"}),
        ({"a": "x"}, [{"source_labels": ["a"], "regex": "(?P<n>.)", "target_label": "d",
                       "replacement": "${n}!"}], {"a": "x", "d": "x!"}),
    ],
)  # fmt: skip
def test_rules_do_what_prometheus_does(labels: Any, rules: Any, expected: Any) -> None:
    """Each action gives Prometheus' own result."""
    assert apply(labels, *rules) == expected


@pytest.mark.parametrize(
    ("rule", "cause"),
    [
        ({"regex": "("}, "target_label is missing"),
        ({"regex": "(", "target_label": "a"}, "is not RE2"),
        ({"regex": "(?=a)", "target_label": "a"}, "is not RE2"),
        ({"action": "hashmod", "target_label": "a"}, "modulus"),
        ({"action": "labeldrop", "source_labels": ["a"]}, "source_labels has no meaning"),
        ({"action": "keepequal", "target_label": "a", "regex": "b"}, "regex has no meaning"),
        ({"action": "keep", "source_labels": [""]}, "source label is empty"),
    ],
)
def test_impossible_rules_are_refused(rule: Any, cause: str) -> None:
    """A rule that cannot work is an error that names it."""
    with pytest.raises(InvalidInputError, match=cause):
        apply({}, rule)
