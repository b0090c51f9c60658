"""What tests of every collector share."""

from collections.abc import Callable
from typing import Any

import pytest

from veriscope.signals import SampleBatch, label_value


@pytest.fixture
def points() -> Callable[..., dict[Any, float]]:
    """
    Return a function that lists a batch's samples of one metric by some of their labels.

    `points(batch, metric, "cpu", "mode")` answers `{(cpu, mode): value}`; with one label the
    keys are its values.
    """

    def select(batch: SampleBatch, metric: str, *names: str) -> dict[Any, float]:
        chosen: dict[Any, float] = {}
        for index, value in zip(batch.series, batch.values, strict=True):
            labels = batch.labels[index]
            if label_value(labels, "__name__") == metric:
                key = tuple(label_value(labels, name) for name in names)
                chosen[key if len(key) != 1 else key[0]] = float(value)
        return chosen

    return select
