"""Lets the tests of this folder import the benchmarks, which are scripts and no package."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
