import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_relative_links_lead_somewhere(documents: dict[str, Any]) -> None:
    """Files that are linked exist, and so do the headings."""
    by_path = {document.path.resolve(): document for document in documents.values()}
    broken = []
    for name, document in documents.items():
        for target in LINK.findall(re.sub(r"`[^`\n]*`", "", document.prose)):
            if "://" in target:
                continue
            file, _, fragment = target.partition("#")
            path = (document.path.parent / file).resolve() if file else document.path.resolve()
            if not path.exists() or (fragment and fragment not in by_path[path].anchors()):
                broken.append(f"{name}: {target}")
    assert broken == []


def test_every_document_is_in_the_index(root: Path, documents: dict[str, Any]) -> None:
    """What is not linked is not found."""
    index = documents["docs/README.md"].text
    decisions = documents["docs/adr/README.md"].text
    for path in (root / "docs").glob("*.md"):
        assert path.name == "README.md" or f"({path.name})" in index
    for path in (root / "docs" / "adr").glob("*.md"):
        assert path.name == "README.md" or f"({path.name})" in decisions


def test_documents_are_about_this_project_only(documents: dict[str, Any]) -> None:
    """No path of the machine that they were written on."""
    for document in documents.values():
        assert not re.search(r"/(work|root|home/\w+)/", document.text)
