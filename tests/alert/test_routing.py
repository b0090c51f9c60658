from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from veriscope.alert.config import RouteConfig
from veriscope.alert.routing import Route, build_routes
from veriscope.signals import decode_unit, to_labels


def _build(config: dict[str, Any]) -> Route:
    return build_routes(msgspec.convert(config, RouteConfig, dec_hook=decode_unit))


def _receivers(root: Route, **labels: str) -> list[str]:
    return [route.receiver for route in root.find(to_labels(labels))]


def test_the_deepest_routes_that_match_take_the_alert() -> None:
    """The first of a level alone, unless it says `continue`; the root where none does."""
    root = _build(
        {
            "receiver": "all",
            "routes": [
                {"receiver": "log", "continue": True},
                {
                    "receiver": "db",
                    "matchers": ["team=db"],
                    "routes": [{"receiver": "page", "match": {"severity": "critical"}}],
                },
                {"receiver": "later", "match_re": {"team": "d.|web"}},
            ],
        }
    )
    assert _receivers(root, team="db", severity="critical") == ["log", "page"]
    assert _receivers(root, team="db") == ["log", "db"]
    assert _receivers(root, team="web") == ["log", "later"]
    assert _receivers(root, team="other") == ["log"]
    assert _receivers(_build({"receiver": "all", "routes": [{"matchers": ["a=b"]}]})) == ["all"]


def test_continue_belongs_to_a_level() -> None:
    """A route that matched ends the level above too, unless the one above says `continue`."""
    inner = {"receiver": "inner", "continue": True}
    root = _build(
        {
            "receiver": "all",
            "routes": [{"receiver": "outer", "routes": [inner]}, {"receiver": "never"}],
        }
    )
    assert _receivers(root) == ["inner"]


def test_routes_inherit_what_they_do_not_say() -> None:
    """Except time intervals; Alertmanager's defaults stand above the root."""
    root = _build(
        {
            "receiver": "all",
            "group_by": ["a"],
            "group_wait": "0s",
            "routes": [
                {
                    "mute_time_intervals": ["night"],
                    "group_interval": "1m",
                    "routes": [{"group_by": ["..."], "active_time_intervals": ["day"]}],
                }
            ],
        }
    )
    (middle,) = root.routes
    (leaf,) = middle.routes
    assert (root.group_wait_s, root.group_interval_s, root.repeat_interval_s) == (0, 300, 14_400)
    assert (leaf.group_wait_s, leaf.group_interval_s, leaf.receiver) == (0, 60, "all")
    assert (middle.group_by, middle.group_by_all) == ({"a"}, False)
    assert (middle.mute_time_intervals, leaf.mute_time_intervals) == (("night",), ())
    assert leaf.active_time_intervals == ("day",)
    labels = to_labels({"a": "1", "b": "2"})
    assert middle.group_labels(labels) == (("a", "1"),)
    assert leaf.group_labels(labels) == labels
    assert _build({"receiver": "x"}).group_wait_s == 30


def test_an_empty_group_by_is_none() -> None:
    """As in Alertmanager, it is that of the route above."""
    root = _build({"receiver": "x", "group_by": ["a"], "routes": [{"group_by": []}]})
    assert root.routes[0].group_by == {"a"}


_LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3)
_TREES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.fixed_dictionaries({"match": _LABELS, "continue": st.booleans()}),
    lambda deeper: st.fixed_dictionaries(
        {"match": _LABELS, "continue": st.booleans(), "routes": st.lists(deeper, max_size=3)}
    ),
    max_leaves=12,
)


@given(_TREES, _LABELS)
def test_routing_as_a_plain_reference_has_it(tree: dict[str, Any], labels: dict[str, str]) -> None:
    """The same routes, found by numbering the nodes and reading the promise again."""
    named = _named(tree, "r")
    root = _build({**named, "receiver": named["receiver"]})
    assert _receivers(root, **labels) == _reference(named, labels)


def _named(tree: dict[str, Any], name: str) -> dict[str, Any]:
    below = [_named(each, f"{name}.{i}") for i, each in enumerate(tree.get("routes", []))]
    return {**tree, "receiver": name, "routes": below}


def _reference(tree: dict[str, Any], labels: dict[str, str]) -> list[str]:
    if any(labels.get(name, "") != value for name, value in tree["match"].items()):
        return []
    answers = [(each, _reference(each, labels)) for each in tree["routes"]]
    ending = [i for i, (each, found) in enumerate(answers) if found and not each["continue"]]
    taken = answers[: ending[0] + 1] if ending else answers
    return [name for _, found in taken for name in found] or [tree["receiver"]]
