"""The documents, as the tests of this folder read them."""

import re
from pathlib import Path
from typing import Final

import pytest

_BLOCK: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Document:
    """One Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        """Return the fenced blocks of *language*."""
        return [body for kind, body in _BLOCK.findall(self.text) if kind == language]

    @property
    def prose(self) -> str:
        """The text without fenced blocks."""
        return _BLOCK.sub("", self.text)

    def anchors(self) -> set[str]:
        """Return the fragments of the headings, as GitHub makes them."""
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}

    def section(self, title: str) -> str:
        """Return the text from the heading *title* to the next heading."""
        found = re.search(
            rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", self.text, re.MULTILINE | re.DOTALL
        )
        assert found, f"{self.path.name} has no section {title!r}"
        return found[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the repository's folder."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def documents(root: Path) -> dict[str, Document]:
    """Return every document by its path from the root."""
    paths = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    return {str(path.relative_to(root)): Document(path) for path in paths}
