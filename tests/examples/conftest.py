"""What the tests of several examples need."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from examples.truthgpt.model.training import corpus, load_or_train

ROOT = Path(__file__).parents[2]
_TRAIN = """
import pathlib, sys, time
from examples.truthgpt.model.training import load_or_train
load_or_train(sys.stdin.read(), pathlib.Path(sys.argv[1]))
print(time.process_time())
"""


@pytest.fixture(scope="session")
def truthgpt_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory that holds the trained weights, once `trained` has run."""
    return tmp_path_factory.mktemp("truthgpt")


@pytest.fixture(scope="session")
def truthgpt_text() -> str:
    """Return what the models learn from, as it is at the start of the tests."""
    return corpus(ROOT)


@pytest.fixture(scope="session")
def trained(truthgpt_data: Path, truthgpt_text: str) -> SimpleNamespace:
    """Train on the repository's text; return the models and the CPU seconds that it took."""
    # In a process of its own, as the service does it: one thread for each matrix product.
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN, str(truthgpt_data)],
        input=truthgpt_text.encode(),
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    models = load_or_train(truthgpt_text, truthgpt_data)
    return SimpleNamespace(models=models, cpu_s=float(done.stdout.split()[-1]))
