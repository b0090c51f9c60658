import numpy as np
import pytest

from examples.genrf.circuits import FAMILIES
from examples.genrf.circuits.family import CircuitSpec, score_of
from examples.genrf.search import Search
from examples.genrf.surrogate import MEMBERS, Surrogate


def test_surrogate_learns() -> None:
    """After a hundred simulations the networks foresee a smooth figure far better than its mean."""
    rng = np.random.default_rng(1)

    def truth(points: np.ndarray) -> np.ndarray:
        first = 10 * points[:, :1] - 4 * points[:, 1:2] ** 2
        return np.hstack((first, np.sin(3 * points[:, 2:3])))

    surrogate = Surrogate(3, 2, seed=1)
    for _ in range(10):
        points = rng.random((10, 3))
        surrogate.learn(points, truth(points))
    unseen = rng.random((200, 3))
    predicted = surrogate.predict(unseen)
    assert predicted.shape == (MEMBERS, 200, 2)
    errors = np.sqrt(((predicted.mean(axis=0) - truth(unseen)) ** 2).mean(axis=0))
    assert (errors < 0.2 * truth(unseen).std(axis=0)).all()


def test_surrogate_forgets_the_oldest() -> None:
    """Memory is bounded however many simulations there are."""
    surrogate = Surrogate(2, 1, seed=1)
    surrogate.learn(np.zeros((1000, 2)), np.zeros((1000, 1)))
    assert surrogate.simulations == 400


@pytest.mark.parametrize(
    ("shortfalls", "score"),
    [([-1.0, -0.2], -0.2), ([0.5, -3.0, 0.25], 0.75), ([100.0, 1.0], 11.0)],
)
def test_score_adds_what_is_missed(shortfalls: list[float], score: float) -> None:
    """Missed targets add up, bounded; once all are met the narrowest margin counts."""
    assert score_of(shortfalls) == score


def test_search_sees_candidates_as_the_family_scores_them() -> None:
    """What the surrogate's figures are worth is computed as the simulator's figures are."""
    family = FAMILIES["LNA"]
    spec = CircuitSpec(
        circuit_type="LNA",
        technology="tsmc65",
        frequency=1e9,
        targets={figure.name: figure.target for figure in family.figures},
    )
    search = Search(family, spec, Surrogate(7, 4, 1), np.random.default_rng(1))
    figures = np.random.default_rng(2).normal((12, 3, -10, 10), (10, 2, 8, 10), (1, 50, 4))
    names = [figure.name for figure in family.figures]
    expected = [
        family.score(dict(zip(names, row, strict=True)), spec.targets) for row in figures[0]
    ]
    assert search._scores(figures)[0] == pytest.approx(expected)
