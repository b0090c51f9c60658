"""The alerting of a real server process, as its users would break it."""

import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

_GOOD = """\
global: {evaluation_interval: 1s}
rule_files: [rules.yml]
rules: {meta: false}
"""
_RULES = """\
groups:
  - name: kept
    rules:
      - {alert: Kept, expr: vector(1)}
"""


def _post(url: str, body: bytes) -> tuple[int, str]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def _groups(server: Any) -> list[str]:
    return [group["name"] for group in server.get("/api/v1/rules")["data"]["groups"]]


@pytest.fixture
def served(run_server: Callable[..., Any], tmp_path: Path) -> Any:
    """Return a server with one rule, whose files are in the folder of the test."""
    (tmp_path / "veriscope.yml").write_text(_GOOD)
    (tmp_path / "rules.yml").write_text(_RULES)
    return run_server(tmp_path / "data", "--config", str(tmp_path / "veriscope.yml"))


def test_bad_changes_are_refused_until_they_are_mended(served: Any, tmp_path: Path) -> None:
    """All goes on with what was loaded; a file that only the refused change names is watched."""
    config = tmp_path / "veriscope.yml"
    for text, fault in (
        (_GOOD.replace("1s", "0s"), "veriscope.yml:1: evaluation_interval is 0s"),
        (f"{_GOOD}scrape_configs: [{{job_name: a}}, {{job_name: a}}]\n", "job 'a'"),
        (_GOOD.replace("[rules.yml]", "[rules.yml, more.yml]"), "more.yml:1"),
    ):
        (tmp_path / "more.yml").write_text("groups: none\n")
        config.write_text(text)
        status, answer = _post(f"{served.url}/-/reload", b"")
        assert status == 500
        assert fault in answer
        assert _groups(served) == ["kept"]
    (tmp_path / "more.yml").write_text(_RULES.replace("kept", "mended"))
    deadline = time.monotonic() + 25
    while len(_groups(served)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _groups(served) == ["kept", "mended"]


def test_json_that_is_nested_too_deeply_is_refused(served: Any) -> None:
    """Also where it stands in a part that is not read."""
    body = b'[{"labels": {"a": "b"}, "more": ' + b"[" * 20_000 + b"]" * 20_000 + b"}]"
    status, answer = _post(f"{served.url}/api/v2/alerts", body)
    assert status == 400
    assert "nested too deeply" in answer
