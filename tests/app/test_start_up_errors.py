"""A start that cannot succeed ends with one clear line, exit code 1 and no harm."""

import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from veriscope.app import ConfigError, parse_config
from veriscope.signals import InvalidInputError


def start(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `veriscope server` in *directory* until it gives up."""
    if "--listen" not in options:
        options = ("--listen", "127.0.0.1:0", *options)
    return subprocess.run(
        [sys.executable, "-m", "veriscope", "server", *options],
        capture_output=True,
        text=True,
        cwd=directory,
        timeout=20,
        check=False,
    )


def refused(ended: subprocess.CompletedProcess[str], reason: str) -> bool:
    """Tell whether *ended* gave *reason* in its one line, and nothing else went wrong."""
    *_, line = ended.stderr.strip().splitlines()
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert line.startswith("veriscope: ")
    assert reason in line, line
    return True


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("server:\n  colour: red\n", "file:2: unknown key `colour`"),
        ("log: {level: info}\nlog: {}\n", "file:2: key `log` is given twice"),
        ("server: {tls: {a: 1, a: 2}}\n", "file:1: key `a` is given twice"),
        ("global:\n  scrape_interval: 5 parsecs\n", "file:2: '5 parsecs' is not a duration"),
        ("collect:\n  interval: 0s\n", "interval is 0s; it must be at least"),
        ("ingest:\n  max_body_bytes: big\n", "file:2: 'big' is not a size"),
        ("query:\n  max_samples: lots\n", "file:2: Expected `int`, got `str`"),
        (
            "store:\n  max_concurrent_queries: 0\n",
            "max_concurrent_queries is 0; it must be at least 1",
        ),
        ("server: [1, 2\nlog: {", "file:2: not YAML"),
        ("server:\n\tlisten: x\n", "file:2: not YAML"),
        ('log:\n  level: "\x01"\n', "file: not YAML: special characters are not allowed: U+0001"),
        ("a: &a [*a]\n", "file:1: unknown key `a`"),
        ("scrape_configs: &a [*a]\n", "file:1: Expected `object`"),
        ("{? [1, 2] : 3}\n", "file:1: a key is a word"),
        ("hello\n", "file:1: Expected `object`"),
        ("- 1\n", "file:1: Expected `object`"),
        ('x: !!python/object/apply:os.system ["id"]\n', "file:1: not YAML"),
    ],
)
def test_a_fault_in_the_configuration_names_its_line(text: str, reason: str) -> None:
    """File, line, fault; and nothing in the file is run."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "file")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_alias_bomb_is_read_in_no_time() -> None:
    """A few lines of aliases of aliases stand for a billion nodes, which are never visited."""
    rows = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    with pytest.raises(InvalidInputError, match="unknown key `a0`"):
        parse_config("\n".join(rows), "file")


def test_the_command_shows_the_configuration_s_fault(tmp_path: Path) -> None:
    """A missing file, one that is no text, and a wrong expression in a scrape job."""
    assert refused(start(tmp_path, "--config", "none.yml"), "cannot read none.yml: ")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    assert refused(start(tmp_path, "--config", "binary.yml"), "cannot read binary.yml: ")
    (tmp_path / "regex.yml").write_text(
        "scrape_configs: [{job_name: shop, relabel_configs: [{regex: '(', target_label: a}]}]"
    )
    ended = start(tmp_path, "--config", "regex.yml")
    assert refused(ended, "job 'shop': relabel_configs: rule 1")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "is not HOST:PORT"),
        ("127.0.0.1:70000", "is not HOST:PORT"),
        ("0.0.0.0:0", "can be reached from other machines"),
        (":0", "can be reached from other machines"),
    ],
)
def test_an_unfit_address_is_refused(tmp_path: Path, address: str, reason: str) -> None:
    """Off loopback, a token or TLS is demanded before anything is opened."""
    assert refused(start(tmp_path, "--listen", address), reason)
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """So is the option that chooses another, and the data are not touched."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = start(tmp_path, "--listen", address)
    assert refused(ended, f"cannot listen on {address}: Address already in use")
    assert "--listen" in ended.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"\n", "is empty"), (b"\xff\xfe", "can't decode")],
)
def test_an_unfit_token_file_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """A server that should ask for a token never starts without one."""
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    (tmp_path / "config.yml").write_text("server: {token_file: token}")
    ended = start(tmp_path, "--config", "config.yml")
    assert refused(ended, "server.token_file")
    assert reason in ended.stderr


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_unfit_certificate_is_refused(tmp_path: Path, content: str | None) -> None:
    """It ends at once, rather than wait for a server that will not come."""
    if content is not None:
        (tmp_path / "pem").write_text(content)
    (tmp_path / "config.yml").write_text("server: {tls: {cert_file: pem, key_file: pem}}")
    assert refused(start(tmp_path, "--config", "config.yml"), "cannot use server.tls")


def test_a_data_directory_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    """A file in its place, or a place where none can be made."""
    (tmp_path / "file").touch()
    for path, reason in (
        ("file", "cannot be used: "),
        ("file/below", "cannot be used: "),
        ("/proc/none", "cannot be used: "),
        ("what?", "has a question mark"),
    ):
        ended = start(tmp_path, "--data", path)
        assert refused(ended, reason)
        assert "--data" in ended.stderr


def test_a_read_only_data_directory_is_refused(tmp_path: Path) -> None:
    """A kernel that met a fault of the disk leaves it readable only."""
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        ended = start(tmp_path, "--data", str(tmp_path))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert refused(ended, "Read-only file system")


def test_any_path_will_do_for_the_data(run_server: Callable[..., Any], tmp_path: Path) -> None:
    """Spaces, quotes, percent signs and letters of other scripts mean nothing special."""
    data = tmp_path / "my data's ☃ 50%25 #y"
    assert run_server(data).stop() == 0
    server = run_server(data)
    assert server.get("/health")["status"] == "healthy"
    assert (data / "store" / "veriscope.lock").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == [data.name]


def test_tls_and_token_together(run_server: Callable[..., Any], tmp_path: Path) -> None:
    """With a certificate of its own the server speaks HTTPS, and to holders of the token alone."""
    pem, token = tmp_path / "pem", tmp_path / "token"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", str(pem), "-out", str(tmp_path / "cert"), "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    token.write_text("open sesame\n")
    config = tmp_path / "config.yml"
    config.write_text("server: {token_file: token, tls: {cert_file: cert, key_file: pem}}")
    server = run_server(tmp_path / "data", "--config", str(config))
    assert server.url.startswith("https://127.0.0.1:")
    trust = ssl.create_default_context(cafile=str(tmp_path / "cert"))
    asked = urllib.request.Request(
        f"{server.url}/api/v1/labels", headers={"Authorization": "Bearer open sesame"}
    )
    with urllib.request.urlopen(asked, context=trust, timeout=60) as answer:
        assert answer.status == 200
    asked.remove_header("Authorization")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(asked, context=trust, timeout=60)
