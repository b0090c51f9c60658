"""The configuration in the manifests is one that this version reads."""

from pathlib import Path

import pytest
import yaml

from veriscope.app.config import load_config

DEPLOY = Path(__file__).parents[2] / "deploy"
EMBEDDED = {
    f"{file.stem}/{name}": text
    for file in (DEPLOY / "kubernetes").glob("*.yaml")
    for document in yaml.safe_load_all(file.read_text())
    if document["kind"] == "ConfigMap"
    for name, text in document["data"].items()
}
FILES = {f"compose/{file.name}": file.read_text() for file in (DEPLOY / "compose").glob("*.yml")}


@pytest.mark.parametrize("name", sorted(EMBEDDED | FILES))
def test_the_configuration_is_read(name: str, tmp_path: Path) -> None:
    """Every key is known, every value makes sense."""
    path = tmp_path / "veriscope.yml"
    path.write_text((EMBEDDED | FILES)[name])
    load_config(path)
