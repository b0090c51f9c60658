from pathlib import Path

import pytest

from veriscope.alert.config import (
    AlertingConfig,
    load_alerting_config,
    parse_alerting_config,
    read_templates,
)
from veriscope.signals.yaml_documents import DocumentError


def _parse(text: str, **environment: str) -> AlertingConfig:
    return parse_alerting_config(text, "am.yml", Path("/etc/am"), environment=environment)


_NAMED = "\nreceivers:\n- name: a"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("receivers: [{name: a}]", "1: there is no `route`", id="route"),
        pytest.param(
            "route:\n  receiver: a\n  routes:\n  - match: {x: y}\n    receiver: b" + _NAMED,
            "5: there is no receiver 'b'; add it to `receivers`",
            id="receiver",
        ),
        pytest.param(
            "route:\n  receiver: a\n  routes:\n  - mute_time_intervals:\n    - night" + _NAMED,
            "4: there is no time interval 'night'",
            id="interval",
        ),
        pytest.param(
            "route:\n  receiver: a" + _NAMED + "\n- name: a", "5: two receivers", id="twice"
        ),
        pytest.param(
            "route:\n  receiver: a" + _NAMED + "\ninhibit_rules:\n- {}\n- equal: [a-b]",
            "7: 'a-b' is not the name of a label",
            id="label",
        ),
        pytest.param(
            "route:\n  receiver: a\n  group_wait: soon" + _NAMED,
            "3: 'soon' is not a duration; write it as",
            id="duration",
        ),
        pytest.param(
            "route:\n  receiver: a\n  goup_wait: 1s" + _NAMED,
            "3: unknown key `goup_wait`; remove it or correct its spelling",
            id="key",
        ),
        pytest.param(
            "receivers:\n- name: b\n- name: a\n  slack_configs: [{}]\nroute: {receiver: a}",
            "3: receiver `a`: api_url is missing",
            id="slack",
        ),
        pytest.param(
            "route:\n  receiver: a\ntime_intervals:\n- name: n\n  time_intervals:\n"
            "  - weekdays: [someday]" + _NAMED,
            "6: 'someday' is not a day of the week",
            id="weekday",
        ),
    ],
)
def test_faults_name_the_line_and_the_cure(text: str, expected: str) -> None:
    """Also those that no part of the file shows by itself."""
    with pytest.raises(DocumentError) as caught:
        _parse(text)
    assert str(caught.value).startswith(f"am.yml:{expected}")


HOOK = """
route: {receiver: a}
receivers:
- name: a
  webhook_configs:
  - url: 'https://hooks.example/${PLACE}?key=${KEY}'
"""


def test_secrets_are_filled_in_from_the_environment() -> None:
    """In secrets alone, and not twice; a variable that is not there is named."""
    config = _parse(HOOK, PLACE="t", KEY="${PLACE}")
    url = config.receivers[0].webhook_configs[0].url
    assert url is not None
    assert url.reveal() == "https://hooks.example/t?key=${PLACE}"
    with pytest.raises(DocumentError, match=r"am\.yml:6: the environment has no variable KEY"):
        _parse(HOOK, PLACE="t")
    elsewhere = HOOK.replace("name: a", "name: '${X}'").replace("receiver: a", "receiver: '${X}'")
    assert _parse(elsewhere, PLACE="t", KEY="k").receivers[0].name == "${X}"


def test_no_error_shows_a_secret() -> None:
    """Neither what was written nor what the environment has."""
    text = HOOK.replace("https://", "gopher://")
    with pytest.raises(DocumentError) as caught:
        _parse(text, PLACE="verysecret", KEY="alsosecret")
    assert "secret" not in str(caught.value)
    assert "hooks" not in str(caught.value)


def test_files_are_taken_from_the_directory_of_the_file(tmp_path: Path) -> None:
    """Templates and secrets; each template is read once, and one that is broken is named."""
    path = tmp_path / "am.yml"
    path.write_text(
        "route: {receiver: a}\ntemplates: ['t/*.tmpl', t/one.tmpl]\n"
        "receivers: [{name: a, webhook_configs: [{url_file: hook}]}]"
    )
    (tmp_path / "t").mkdir()
    (tmp_path / "t/two.tmpl").write_text("two")
    (tmp_path / "t/one.tmpl").write_text('{{ define "one" }}1{{ end }}')
    config = load_alerting_config(path)
    assert config.receivers[0].webhook_configs[0].url_file == str(tmp_path / "hook")
    assert [(Path(name).name, len(text)) for name, text in read_templates(config)] == [
        ("one.tmpl", 28),
        ("two.tmpl", 3),
    ]
    (tmp_path / "t/two.tmpl").write_text("\n{{ if }}")
    with pytest.raises(DocumentError, match=r"am\.yml:2: .*two\.tmpl:2"):
        load_alerting_config(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Whether it is missing or no text."""
    with pytest.raises(DocumentError, match="cannot read"):
        load_alerting_config(tmp_path / "none.yml")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DocumentError, match="cannot read"):
        load_alerting_config(tmp_path / "binary.yml")
