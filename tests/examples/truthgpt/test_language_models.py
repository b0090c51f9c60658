import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.truthgpt.model import transformer
from examples.truthgpt.model.catalogue import NGRAM, TRANSFORMER, Catalogue
from examples.truthgpt.model.ngram import NgramModel
from examples.truthgpt.model.prefix_cache import BLOCK, PrefixCache
from examples.truthgpt.model.reading import TransformerReader, sample
from examples.truthgpt.model.tokens import Tokenizer
from examples.truthgpt.model.training import load_or_train
from examples.truthgpt.model.transformer import Cache, DivergedError, Shape

TOKENIZER = Tokenizer.learn("the theory of the thing, the weather and the rather other", 280)


def unigram_loss(models: Any) -> float:
    """Return the loss of knowing only how often each token occurs."""
    counts = np.bincount(models.train, minlength=len(models.tokenizer)) + 1
    return float(-np.log(counts[models.validation] / counts.sum()).mean())


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_tokens_give_the_text_back(text: str) -> None:
    """No text is lost on its way through the tokens; what UTF-8 cannot spell becomes `?`."""
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text.encode(errors="replace").decode()


def test_frequent_words_are_few_tokens() -> None:
    """Merges are learnt: a frequent word takes fewer tokens than it has letters."""
    assert len(TOKENIZER.encode(" the")) == 1


def test_models_are_trained_within_half_a_minute(trained: SimpleNamespace) -> None:
    """The first start trains both models in less than 30 s of one core."""
    assert trained.cpu_s < 30


def test_models_know_more_than_frequencies(models: Any) -> None:
    """On text held back, both beat the unigram model by far, and that one beats chance."""
    catalogue_losses = {
        NGRAM: models.ngram.loss(models.validation),
        TRANSFORMER: transformer.mean_loss(
            models.weights,
            models.shape,
            np.stack([models.validation[at : at + 65] for at in range(0, 3000, 64)]),
        ),
    }
    unigram = unigram_loss(models)
    assert unigram < math.log(len(models.tokenizer))
    for name, loss in catalogue_losses.items():
        assert math.exp(loss) < math.exp(unigram) / 3, name


def test_trained_weights_are_kept(models: Any, truthgpt_text: str, truthgpt_data: Path) -> None:
    """A second start reads the weights of the first."""
    again = load_or_train(truthgpt_text, truthgpt_data)
    assert again.tokenizer.merges == models.tokenizer.merges
    for name, array in models.weights.items():
        np.testing.assert_array_equal(again.weights[name], array)
    assert len(list(truthgpt_data.glob("weights-*.npz"))) == 1


def test_gradients_are_those_of_the_loss() -> None:
    """Backpropagation agrees with finite differences in every kind of weight."""
    shape = Shape(vocabulary=20, width=8, layers=2, heads=2, window=16)
    weights: Any = {
        name: array.astype(np.float64) for name, array in transformer.new_weights(shape).items()
    }
    tokens = np.random.default_rng(1).integers(0, 20, (3, 7))
    _, gradients = transformer.loss_and_gradients(weights, shape, tokens)
    chance, step = np.random.default_rng(2), 1e-4
    for name, array in weights.items():
        at = tuple(chance.integers(0, size) for size in array.shape)
        value = array[at]
        array[at] = value + step
        above = transformer.mean_loss(weights, shape, tokens)
        array[at] = value - step
        below = transformer.mean_loss(weights, shape, tokens)
        array[at] = value
        assert gradients[name][at] == pytest.approx((above - below) / 2 / step, rel=1e-4, abs=1e-8)


def test_the_cache_changes_nothing(models: Any) -> None:
    """Reading token by token, in blocks, or at once gives the same logits."""
    tokens = models.train[:40]
    whole, _ = transformer.extend(models.weights, models.shape, tokens, Cache.empty(models.shape))
    cache = Cache.empty(models.shape)
    for token in tokens:
        logits, cache = transformer.extend(models.weights, models.shape, np.array([token]), cache)
    np.testing.assert_allclose(logits, whole, rtol=1e-3, atol=1e-3)
    in_blocks = TransformerReader(models.weights, models.shape, PrefixCache())
    np.testing.assert_allclose(
        in_blocks.begin([int(token) for token in tokens]), whole, rtol=1e-3, atol=1e-3
    )


def test_ngram_probabilities_sum_to_one(models: Any) -> None:
    """After any context, seen or not, there is a distribution."""
    seen = [int(token) for token in models.train[:3]]
    for history in ([], seen, [1, 2, 3], [255] * 10):
        found = models.ngram.probabilities(history)
        assert found.sum() == pytest.approx(1)
        assert (found > 0).all()


def test_the_fast_loss_is_the_loss(models: Any) -> None:
    """The loss over a text is the mean of `-ln p` of each token after those before."""
    tokens = models.validation[:50]
    slow = [
        -math.log(
            models.ngram.probabilities([int(t) for t in tokens[max(0, at - 3) : at]])[tokens[at]]
        )
        for at in range(1, 50)
    ]
    assert models.ngram.loss(tokens) == pytest.approx(np.mean(slow))


def test_a_prompt_is_read_once(models: Any) -> None:
    """What two prompts begin with is computed for the first of them only."""
    prefixes, tokens = PrefixCache(), [int(token) for token in models.train[: 3 * BLOCK]]
    first = TransformerReader(models.weights, models.shape, prefixes)
    first.begin(tokens)
    second = TransformerReader(models.weights, models.shape, prefixes)
    second.begin([*tokens[: 2 * BLOCK], 1, 2, 3])
    assert (first.cached_tokens, second.cached_tokens) == (0, 2 * BLOCK)


def test_the_prefix_cache_is_bounded(models: Any) -> None:
    """What was used least makes room."""
    _, cache = transformer.extend(
        models.weights, models.shape, models.train[:BLOCK], Cache.empty(models.shape)
    )
    prefixes = PrefixCache(max_bytes=3 * cache.nbytes)
    for number in range(5):
        prefixes.keep([number] * BLOCK, cache)
    assert prefixes.held_bytes == 3 * cache.nbytes
    assert prefixes.longest([0] * BLOCK) == (0, None)
    assert prefixes.longest([4] * BLOCK)[0] == BLOCK


def test_no_temperature_is_the_likeliest_token() -> None:
    """Temperature 0 chooses; a higher one draws as the softmax says."""
    logits, chance = np.array([0.0, 2.0, 1.0]), np.random.default_rng(0)
    assert sample(logits, 0, chance) == 1
    drawn = np.bincount([sample(logits, 1.0, chance) for _ in range(4000)]) / 4000
    np.testing.assert_allclose(drawn, np.exp(logits) / np.exp(logits).sum(), atol=0.03)


@pytest.mark.parametrize("name", [NGRAM, TRANSFORMER])
def test_poisoned_weights_fail(catalogue: Catalogue, faults: Any, name: str) -> None:
    """Under `error-burst` some requests meet weights that are no numbers, and say so."""
    faults.switch("error-burst", on=True)
    failed = 0
    for _ in range(40):
        try:
            catalogue.reader(name).begin([1, 2, 3])
        except DivergedError:
            failed += 1
    assert 0 < failed < 40


def test_unknown_models_are_refused(catalogue: Catalogue) -> None:
    """There is no reader for a model that is not in the catalogue."""
    with pytest.raises(KeyError):
        catalogue.reader("gpt-9")


def test_other_discounts_share_the_counts(models: Any) -> None:
    """A trial of the search costs no second set of counts, and changes the loss."""
    other = models.ngram.with_discounts([0.1] * 4)
    assert isinstance(other, NgramModel)
    assert other.loss(models.validation[:200]) != models.ngram.loss(models.validation[:200])
