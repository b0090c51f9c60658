"""`veriscope cardinality` against a running server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veriscope.cli import main
from veriscope.signals import SampleBatch, to_labels
from veriscope.wire import remote_write


@pytest.fixture(scope="module")
def message() -> bytes:
    """Return samples of twelve series."""
    labels = tuple(
        to_labels({"__name__": "wide" if n < 9 else "narrow", "id": str(n)}) for n in range(12)
    )
    return remote_write.encode(SampleBatch.at(labels, np.ones(12), 1_700_000_000_000))


@pytest.fixture
def server(run_server: Callable[..., Any], tmp_path: Path, message: bytes) -> Any:
    """Return a server that holds them, and wants a token."""
    (tmp_path / "token").write_text("s3cret\n")
    config = tmp_path / "veriscope.yml"
    config.write_text("store: {retention: {metrics: 0s}}\n")
    found = run_server(tmp_path / "data", "--config", str(config))
    assert found.write(message) == 204
    return found


def test_the_greatest_are_listed(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table for people, as JSON for programs, as many as are asked for."""
    assert main(["cardinality", "--server", server.url, "--limit", "1", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["seriesCountByMetricName"]) == 1
    assert len(found["labelValueCountByLabelName"]) == 1
    assert main(["cardinality", "--server", f"{server.url}/"]) == 0
    shown = capsys.readouterr().out
    assert "series with samples of late" in shown
    assert "Series by metric:" in shown
    assert "Values by label:" in shown


@pytest.mark.parametrize("limit", ["0", "10001", "many"])
def test_a_wrong_limit_is_refused(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the usage, and exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(["cardinality", "--limit", limit])
    assert ended.value.code == 2
    assert "--limit" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_told(
    free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, with exit code 1."""
    assert main(["cardinality", "--server", f"http://127.0.0.1:{free_port}"]) == 1
    assert f"no answer from http://127.0.0.1:{free_port}" in capsys.readouterr().err


def test_another_program_s_answer_is_told(
    sink: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its status; the token goes along, and a file that is not there is an error."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    url = f"http://127.0.0.1:{sink.port}" if hasattr(sink, "port") else sink.url
    assert main(["cardinality", "--server", url, "--token-file", str(token)]) == 1
    assert "answered" in capsys.readouterr().err
    assert main(["cardinality", "--server", url, "--token-file", str(tmp_path / "none")]) == 1
    assert "cannot read --token-file" in capsys.readouterr().err
