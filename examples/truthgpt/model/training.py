"""Training, and the weights on disk."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from examples.truthgpt.model import transformer
from examples.truthgpt.model.ngram import NgramModel
from examples.truthgpt.model.tokens import Tokenizer
from examples.truthgpt.model.transformer import DivergedError, Shape, Weights

VOCABULARY: Final = 512
STEPS: Final = 250
LEARNING_RATE: Final = 3e-3
_BATCH: Final = 16
_LENGTH: Final = 64
_WARM_UP: Final = 20
_VALIDATION_SHARE: Final = 0.1
_MAX_TEXT: Final = 4 << 20
"""Characters of text beyond which the corpus is cut: training has a time to keep."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Models:
    """What inference and optimisation share. `train` and `validation` are tokens."""

    tokenizer: Tokenizer
    ngram: NgramModel
    shape: Shape
    weights: Weights
    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def corpus(root: Path) -> str:
    """Return the text to learn from: the repository's documents and `corpus.txt`."""
    pages = [*sorted(root.glob("docs/*.md")), root / "README.md"]
    pages.append(Path(__file__).parents[1] / "corpus.txt")
    text = "\n\n".join(page.read_text(encoding="utf-8") for page in pages if page.is_file())
    return text[:_MAX_TEXT]


def load_or_train(text: str, directory: Path, *, steps: int = STEPS) -> Models:
    """
    Return the models of *text*: from *directory* where they were trained before, else trained.

    The file's name holds a digest of the text and the settings, so that weights and text always
    belong together; files of other digests are removed.
    """
    digest = hashlib.sha256(f"{VOCABULARY} {steps} {Shape(VOCABULARY)} {text}".encode()).hexdigest()
    path = directory / f"weights-{digest[:16]}.npz"
    if path.is_file():
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        merges = [(int(left), int(right)) for left, right in arrays.pop("merges")]
        return _models(text, Tokenizer(merges), arrays)
    begun_s = time.perf_counter()
    tokenizer = Tokenizer.learn(text, VOCABULARY)
    models = _models(text, tokenizer, transformer.new_weights(Shape(len(tokenizer))))
    for _ in descend(
        models.weights, models.shape, models.train, steps=steps, learning_rate=LEARNING_RATE
    ):
        pass
    _save(path, tokenizer, models.weights)
    _log.info("models trained", seconds=round(time.perf_counter() - begun_s, 1), path=str(path))
    return models


def descend(
    weights: Weights,
    shape: Shape,
    tokens: NDArray[np.int64],
    *,
    steps: int,
    learning_rate: float,
    seed: int = 0,
) -> Iterator[float]:
    """
    Improve *weights* in place by *steps* steps of Adam; yield the loss of each batch.

    The rate rises for a few steps and then falls to a tenth. Raises `DivergedError` where the
    loss leaves the finite numbers.
    """
    chance = np.random.default_rng(seed)
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    for step in range(1, steps + 1):
        loss, gradients = transformer.loss_and_gradients(weights, shape, _batch(tokens, chance))
        rate = learning_rate * min(1.0, step / _WARM_UP) * (1 - 0.9 * step / steps)
        rate *= np.sqrt(1 - 0.98**step) / (1 - 0.9**step)
        for name, gradient in gradients.items():
            first[name] += np.float32(0.1) * (gradient - first[name])
            second[name] += np.float32(0.02) * (gradient * gradient - second[name])
            weights[name] -= np.float32(rate) * first[name] / (np.sqrt(second[name]) + 1e-8)
        yield loss


def validation_loss(weights: Weights, shape: Shape, tokens: NDArray[np.int64]) -> float:
    """
    Return the mean cross entropy on *tokens*.

    Raises `DivergedError` where it is not a finite number.
    """
    starts = range(0, len(tokens) - _LENGTH - 1, _LENGTH)
    batch = np.stack([tokens[at : at + _LENGTH + 1] for at in starts])
    loss = transformer.mean_loss(weights, shape, batch)
    if not np.isfinite(loss):
        raise DivergedError(f"the validation loss is {loss}")
    return loss


def _batch(tokens: NDArray[np.int64], chance: np.random.Generator) -> NDArray[np.int64]:
    starts = chance.integers(0, len(tokens) - _LENGTH, _BATCH)
    batch: NDArray[np.int64] = tokens[starts[:, None] + np.arange(_LENGTH + 1)]
    return batch


def _models(text: str, tokenizer: Tokenizer, weights: Weights) -> Models:
    tokens = np.array(tokenizer.encode(text), dtype=np.int64)
    end = int(len(tokens) * (1 - _VALIDATION_SHARE))
    train, validation = tokens[:end], tokens[end:]
    return Models(
        tokenizer,
        NgramModel(train, len(tokenizer)),
        Shape(len(tokenizer)),
        weights,
        train,
        validation,
    )


def _save(path: Path, tokenizer: Tokenizer, weights: Weights) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    write: Callable[..., None] = np.savez
    with unfinished.open("wb") as file:
        write(file, merges=np.array(tokenizer.merges, dtype=np.int64), **weights)
    unfinished.replace(path)
    for other in path.parent.glob("weights-*.npz"):
        if other != path:
            other.unlink(missing_ok=True)
