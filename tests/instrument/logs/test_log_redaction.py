import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.instrument.logs.options import SECRET_KEYS, LoggingOptions
from veriscope.instrument.logs.scrub import Scrubber
from veriscope.signals import Secret

SCRUBBER = Scrubber(LoggingOptions())
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLWhlcmU"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAbCd\n-----END RSA PRIVATE KEY-----"
SHAPES = [
    f"Authorization: Bearer {'a1' * 12}",
    "authorization=Basic dXNlcjpwYXNzd29yZA==",
    f"curl -H 'Authorization: token {'b2' * 10}'",
    f"sent bearer {'c3' * 10}",
    f"got {JWT} from client",
    "key AKIAIOSFODNN7EXAMPLE used",
    KEY,
    KEY[:60],
    "postgres://admin:hunter2hunter2@db:5432/x",
    "https://d4d4d4d4d4d4@example.org/repo.git",
    "retry with password=hunter2hunter2",
    '{"api_key": "e5 e5 e5 e5"}',
    "?access_token=f6f6f6f6f6&x=1",
    "Set-Cookie: session=a7a7a7a7; Path=/",
    f"ghp_{'h8' * 18}",
    f"sk-proj-{'i9' * 20}",
    f"xoxb-{'1234567890' * 2}",
]
PARTS = [
    "a1" * 12,
    "dXNlcjpwYXNzd29yZA",
    "b2" * 10,
    "c3" * 10,
    JWT[10:],
    "AKIAIOSFODNN7",
    "AbCd",
    "MIIEow",
    "hunter2",
    "d4d4",
    "hunter2",
    "e5 e5",
    "f6f6",
    "a7a7",
    "h8h8",
    "i9i9",
    "12345678901",
]

KNOWN = list(zip(SHAPES, PARTS, strict=True))


@pytest.mark.parametrize(("text", "secret"), KNOWN)
def test_secrets_are_known_by_their_shape(text: str, secret: str) -> None:
    """A secret in a message is replaced, and counted."""
    clean, redacted, _ = SCRUBBER.scrub({"message": f"before {text} after"})
    assert secret not in clean["message"]
    assert clean["message"].startswith("before ")
    assert redacted


@pytest.mark.parametrize(
    "text",
    [
        "circuit generated for lna in tsmc65 after 100 steps",
        "basic functionality restored",
        "prompt_tokens: 512 of 4096",
        "https://example.org/path?query=1#part",
        "see user@example.org",
        "tokenizer loaded",
    ],
)
def test_plain_text_stays(text: str) -> None:
    """What only resembles a secret is not touched."""
    assert SCRUBBER.scrub({"message": text})[0]["message"] == text


@pytest.mark.parametrize(
    "name",
    ["password", "db_password", "accessToken", "API-Key", "x.api.key", "Cookie", "token2", "PWD"],
)
def test_fields_are_known_by_their_names(name: str) -> None:
    """The value of a field that is named as a secret is replaced, however it is spelt."""
    assert SCRUBBER.scrub({name: "abc"})[0] == {name: "[redacted]"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token_count", 5),
        ("session_id", "s1"),
        ("max_tokens", 512),
        ("time_per_output_token", 0.02),
        ("has_password", True),
        ("keyboard", "k"),
    ],
)
def test_figures_about_secrets_stay(name: str, value: object) -> None:
    """A count, a time or a flag is no secret, nor is a name that only contains the word."""
    assert SCRUBBER.scrub({name: value})[0] == {name: value}


def test_veriscope_secrets_hide_themselves() -> None:
    """A `Secret` never shows its text, under any name."""
    assert SCRUBBER.scrub({"anything": Secret("hunter2hunter2")})[0] == {"anything": "<secret>"}


def test_own_words_and_patterns_join_in() -> None:
    """`redact` chooses the words and `redact_patterns` adds shapes to those that are known."""
    scrubber = Scrubber(LoggingOptions(redact=("badge",), redact_patterns=(r"\bEMP-\d{4}\b",)))
    clean, _, _ = scrubber.scrub({"badge": "x", "password": "y", "message": "by EMP-1234 today"})
    assert clean == {"badge": "[redacted]", "password": "y", "message": "by [redacted] today"}


def test_stack_traces_are_searched_too(
    log_to: Callable[..., Any], records: Callable[[Path], list[dict[str, Any]]]
) -> None:
    """A secret in an exception's text is replaced in its message and its stack trace."""
    handle = log_to()
    error = ConnectionError("postgres://admin:hunter2hunter2@db/x")
    logging.getLogger("genrf").error("no database", exc_info=error)
    assert "hunter2" not in json.dumps(records(handle.path))


plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
nested = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
secret_text = st.text("abcdefgh23456789", min_size=8, max_size=30).map("not-by-chance-{}".format)


@given(nested, secret_text, st.sampled_from(SECRET_KEYS), st.sampled_from(["", "my_", "x-"]))
def test_no_secret_field_survives(around: Any, secret: str, word: str, prefix: str) -> None:
    """Wherever a secret field stands, its value is not in what is written."""
    event = {"message": "m", "around": [around, {prefix + word: {"deep": [secret]}}]}
    clean, redacted, _ = SCRUBBER.scrub(event)
    assert secret not in json.dumps(clean, ensure_ascii=False)
    assert redacted


@given(st.text(max_size=200), st.sampled_from(KNOWN))
def test_no_shape_survives_its_surroundings(text: str, known: tuple[str, str]) -> None:
    """A secret is found between any two texts that are apart from it by a space."""
    shape, secret = known
    clean, _, _ = SCRUBBER.scrub({"message": f"{text} {shape}\n{text}"})
    if secret not in text:
        assert secret not in clean["message"]


@given(st.dictionaries(st.text(max_size=10), nested, max_size=5))
def test_whatever_comes_can_be_encoded(event: dict[str, Any]) -> None:
    """The result is made of what JSON and UTF-8 can hold."""
    clean, _, _ = SCRUBBER.scrub(event)
    json.dumps(clean, ensure_ascii=False).encode()


def test_a_cut_does_not_hide_a_secret() -> None:
    """A secret that the limit would cut in two is replaced first."""
    scrubber = Scrubber(LoggingOptions(max_value_chars=64))
    clean, _, truncated = scrubber.scrub({"message": "x" * 55 + " " + JWT + "y" * 10_000})
    assert "eyJ" not in clean["message"]
    assert truncated
