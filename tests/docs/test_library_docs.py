import ast
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import veriscope
from veriscope import GenAiMetrics

ROOMS = ("instrument", "facade", "genrf", "alert")
DECLARED = re.compile(r'(?:(\w+)\(\s*)?"(veriscope_[a-z_]+)"')
NAME = re.compile(r"^\| `(veriscope_\w+)", re.MULTILINE)
PAGES = tuple(
    f"docs/{name}.md"
    for name in (
        *("framework", "genai", "genrf", "health", "library"),
        *("logging", "monitors", "profiling", "receivers", "tracing"),
        *("alertmanager", "incidents", "notifications"),
    )
)


def python_blocks(documents: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return each Python example with the name of its page."""
    for name, document in documents.items():
        for block in document.blocks("python"):
            yield name, textwrap.dedent(block)


def declared_in(source: str) -> Iterator[str]:
    """Return the metrics that a module names, as they are exposed."""
    for call, name in DECLARED.findall(source):
        yield name.removesuffix("_total") + "_total" if call.startswith("Counter") else name


def test_metrics_of_the_library_are_documented(root: Path, documents: dict[str, Any]) -> None:
    """Each metric of the library about itself has its row, and there is no row of another."""
    modules = [path for room in ROOMS for path in (root / "src/veriscope" / room).rglob("*.py")]
    declared = {name for path in modules for name in declared_in(path.read_text())}
    documented = {name for page in PAGES for name in NAME.findall(documents[page].text)}
    assert documented == declared


@pytest.mark.parametrize("side", ["server", "client"])
def test_metrics_of_language_models_are_documented(documents: dict[str, Any], side: Any) -> None:
    """Each family that calls are recorded in has its row."""
    registry = CollectorRegistry()
    GenAiMetrics("acme", side=side, registry=registry)
    for family in registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        assert f"| `{family.name}{suffix}` | {family.type} |" in documents["docs/genai.md"].text


def test_every_public_name_is_on_some_page(documents: dict[str, Any]) -> None:
    """What can be imported from `veriscope` is explained somewhere."""
    pages = "\n".join(document.text for name, document in documents.items() if "docs/" in name)
    missing = {name for name in veriscope.__all__ if not re.search(rf"\b{name}\b", pages)}
    assert missing == {"__version__"}


def test_python_examples_compile(documents: dict[str, Any]) -> None:
    """Each example is Python; one may await where a reader has an event loop."""
    examples = list(python_blocks(documents))
    assert examples
    for name, block in examples:
        compile(block, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def test_python_examples_import_what_exists(documents: dict[str, Any]) -> None:
    """Each name that an example takes from Veriscope is there."""
    for name, block in python_blocks(documents):
        tree = compile(
            block,
            name,
            "exec",
            flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("veriscope"):
                module = import_module(node.module or "")
                for each in node.names:
                    assert hasattr(module, each.name), f"{name}: {node.module}.{each.name}"


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """Return the address of a server that takes everything, and the paths that it was asked."""
    paths: list[str] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()


def test_the_example_of_the_readme_sends_all_three_signals(
    documents: dict[str, Any], asked: tuple[str, list[str]], tmp_path: Path
) -> None:
    """A stranger's first program sends a metric, a span and a log record."""
    url, paths = asked
    (block,) = documents["README.md"].blocks("python")
    script = tmp_path / "shop.py"
    script.write_text(textwrap.dedent(block).replace("http://127.0.0.1:7070", url))
    subprocess.run([sys.executable, str(script)], check=True, timeout=30)
    assert {"/api/v1/write", "/v1/traces", "/v1/logs"} <= set(paths)
