"""The Compose file and the image it builds."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from veriscope.cli.main import build_parser

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = DEPLOY.parent
SERVICES = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]


@pytest.mark.peer
def test_compose_takes_the_file(tmp_path: Path) -> None:
    """Docker Compose finds no fault in it."""
    tool = shutil.which("docker-compose")
    if tool is None:
        pytest.skip("COMPOSE FILE NOT CHECKED: install Debian's `docker-compose` package")
    folder = tmp_path / "deploy" / "compose"
    shutil.copytree(DEPLOY / "compose", folder)
    (folder / "token").write_text("secret")
    done = subprocess.run(
        [tool, "-f", "compose.yaml", "config", "-q"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_s_command_is_one_of_ours(service: str) -> None:
    """Each command and option exists."""
    build_parser().parse_args(SERVICES[service]["command"])


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_files_that_are_mounted_exist(service: str) -> None:
    """What is mounted from beside the file is there."""
    for volume in SERVICES[service]["volumes"]:
        source = volume.split(":")[0]
        if source.startswith("./"):
            assert (DEPLOY / "compose" / source).is_file()


def test_the_image_is_built_of_files_that_exist() -> None:
    """What the image copies is in the project, and not kept out by `.dockerignore`."""
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for line in (DEPLOY / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in shlex.split(line)[1:-1]
    }
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)
