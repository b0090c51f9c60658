from typing import Any

import pytest

from veriscope.collect.probe import BodyCheck, ProbeTarget
from veriscope.signals import InvalidInputError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "ftp://host/"}, "not an http:// or https:// URL"),
        ({"url": "/path"}, "not an http:// or https:// URL"),
        ({"url": "http://host:99999/"}, "not a URL"),
        ({"url": "http://h/", "method": "GET /x"}, "not an HTTP method"),
        ({"url": "http://h/", "headers": {"A": "b\r\nC: d"}}, "header 'A'"),
        ({"url": "http://h/", "expected_status": ("2x",)}, "not a status"),
        ({"url": "http://h/", "timeout_s": 0}, "timeout_s must be positive"),
        ({"url": "http://h/", "retries": -1}, "cannot be negative"),
    ],
)
def test_what_cannot_be_probed_is_refused_when_written(options: dict[str, Any], words: str) -> None:
    """Mistakes show where they are made and not at the first probe."""
    with pytest.raises(InvalidInputError, match=words):
        ProbeTarget(**options)


def test_expressions_are_re2() -> None:
    """An expression that could run for ever is refused."""
    with pytest.raises(InvalidInputError, match="not an RE2 expression"):
        BodyCheck(matches=[r"(a+)+\1"])


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        ({"status": "healthy"}, ""),
        ({"checks.db": "ok", "items.1.id": 7}, ""),
        ({"checks.cache": "ok"}, "the body has no checks.cache"),
        ({"items.9.id": 7}, "the body has no items.9.id"),
        ({"items.1.id": 8}, "items.1.id is 7, not 8"),
        ({"flag": 1}, "flag is True, not 1"),
        ({"none": None}, ""),
    ],
)
def test_json_paths_lead_into_objects_and_lists(wanted: dict[str, Any], fault: str) -> None:
    """Each path must lead somewhere, to just that value."""
    body = (
        b'{"status":"healthy","checks":{"db":"ok"},"items":[{},{"id":7}],"flag":true,"none":null}'
    )
    assert BodyCheck(json_equals=wanted).fault(body) == fault
