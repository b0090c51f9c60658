"""
A small decoder-only transformer in NumPy: forward, backward, and generation with a cache.

Pre-norm blocks of attention and a GELU network, RMS norms, tied embeddings, and ALiBi instead of
position embeddings (Press et al., 2022), so that a cache may slide over a text of any length.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Weights = dict[str, Array]
_EPSILON: Final = 1e-5
_GELU: Final = math.sqrt(2 / math.pi)


class DivergedError(ArithmeticError):
    """The arithmetic left the finite numbers: weights are poisoned or a step was too large."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the model is."""

    vocabulary: int
    width: int = 64
    layers: int = 2
    heads: int = 4
    window: int = 96
    """Tokens that attention looks back over while it generates."""


def new_weights(shape: Shape, seed: int = 0) -> Weights:
    """Return random weights; residual projections start smaller, as in GPT-2."""
    chance = np.random.default_rng(seed)
    width, small = shape.width, 0.02 / math.sqrt(2 * shape.layers)

    def draw(rows: int, columns: int, scale: float) -> Array:
        return (chance.standard_normal((rows, columns)) * scale).astype(np.float32)

    weights = {"embedding": draw(shape.vocabulary, width, 0.05), "norm": np.ones(width, np.float32)}
    for layer in range(shape.layers):
        weights |= {
            f"{layer}.norm1": np.ones(width, np.float32),
            f"{layer}.qkv": draw(width, 3 * width, 1 / math.sqrt(width)),
            f"{layer}.out": draw(width, width, small * 4),
            f"{layer}.norm2": np.ones(width, np.float32),
            f"{layer}.up": draw(width, 4 * width, 1 / math.sqrt(width)),
            f"{layer}.down": draw(4 * width, width, small * 4),
        }
    return weights


def slopes(heads: int) -> Array:
    """Return ALiBi's slope of each head: a geometric series, shape `(heads, 1, 1)`."""
    powers = np.arange(1, heads + 1, dtype=np.float32)
    return np.exp2(-8.0 * powers / heads).astype(np.float32)[:, None, None]


@dataclass(slots=True)
class Cache:
    """Keys and values of what was read: each of shape `(layers, heads, read, width / heads)`."""

    keys: Array
    values: Array

    @classmethod
    def empty(cls, shape: Shape) -> "Cache":
        """Return the cache of no text."""
        nothing = np.zeros(
            (shape.layers, shape.heads, 0, shape.width // shape.heads), dtype=np.float32
        )
        return cls(nothing, nothing)

    @property
    def nbytes(self) -> int:
        """Memory that the cache holds."""
        return self.keys.nbytes + self.values.nbytes


def extend(
    weights: Weights, shape: Shape, tokens: NDArray[np.int64], cache: Cache
) -> tuple[Array, Cache]:
    """
    Read *tokens* after what *cache* holds.

    Return the logits after the last of them, shape `(vocabulary,)`, and the cache with them,
    trimmed to the window. Raises `DivergedError` where the logits are not finite.
    """
    x, keys, values = weights["embedding"][tokens], [], []
    for layer in range(shape.layers):
        k, v, x = _read_layer(weights, shape, layer, x, cache)
        keys.append(k)
        values.append(v)
    last, _ = _norm(x[-1:], weights["norm"])
    logits: Array = (last @ weights["embedding"].T)[0]
    if not np.isfinite(logits).all():
        raise DivergedError("the model's logits are not finite")
    return logits, Cache(np.stack(keys), np.stack(values))


def _read_layer(
    weights: Weights, shape: Shape, layer: int, x: Array, cache: Cache
) -> tuple[Array, Array, Array]:
    length, heads = len(x), shape.heads
    normed, _ = _norm(x, weights[f"{layer}.norm1"])
    split = (normed @ weights[f"{layer}.qkv"]).reshape(length, 3, heads, -1)
    q, k, v = split.transpose(1, 2, 0, 3)
    k = np.concatenate([cache.keys[layer], k], axis=1)
    v = np.concatenate([cache.values[layer], v], axis=1)
    mixed = _attend(q, k, v, shape)[0].transpose(1, 0, 2).reshape(length, -1)
    x = x + mixed @ weights[f"{layer}.out"]
    normed, _ = _norm(x, weights[f"{layer}.norm2"])
    activated, _ = _gelu(normed @ weights[f"{layer}.up"])
    x = x + activated @ weights[f"{layer}.down"]
    keys: Array = k[:, -shape.window :]
    values: Array = v[:, -shape.window :]
    return keys, values, x


def _attend(q: Array, k: Array, v: Array, shape: Shape) -> tuple[Array, Array]:
    """Return the mixed values and the attention, for the last `q.shape[-2]` of the positions."""
    queries, positions = q.shape[-2], k.shape[-2]
    behind = np.arange(positions - queries, positions)[:, None] - np.arange(positions)[None, :]
    bias = np.where(behind < 0, np.float32(-1e9), -slopes(shape.heads) * behind)
    scores: Array = q @ k.swapaxes(-1, -2) / np.float32(math.sqrt(q.shape[-1]))
    scores += bias.astype(np.float32)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores @ v, scores


def loss_and_gradients(
    weights: Weights, shape: Shape, tokens: NDArray[np.int64]
) -> tuple[float, Weights]:
    """
    Return the mean cross entropy of *tokens*, shape `(batch, length + 1)`, and its gradients.

    Raises `DivergedError` where the loss is not finite.
    """
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    batch, length = inputs.shape
    x = weights["embedding"][inputs].reshape(batch * length, -1)
    tape = []
    for layer in range(shape.layers):
        x, kept = _forward_layer(weights, shape, layer, x, batch)
        tape.append(kept)
    final, scale = _norm(x, weights["norm"])
    loss, dlogits = _cross_entropy(final @ weights["embedding"].T, targets.reshape(-1))
    if not math.isfinite(loss):
        raise DivergedError(f"the loss is {loss}")
    gradients: Weights = {"embedding": dlogits.T @ final}
    dx, gradients["norm"] = _norm_back(dlogits @ weights["embedding"], x, weights["norm"], scale)
    for layer in reversed(range(shape.layers)):
        dx = _backward_layer(weights, shape, layer, dx, kept=tape.pop(), gradients=gradients)
    np.add.at(gradients["embedding"], inputs.reshape(-1), dx)
    return loss, gradients


def mean_loss(weights: Weights, shape: Shape, tokens: NDArray[np.int64]) -> float:
    """Return the mean cross entropy of *tokens*, shape `(batch, length + 1)`; may be NaN."""
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    x = weights["embedding"][inputs].reshape(inputs.size, -1)
    for layer in range(shape.layers):
        x, _ = _forward_layer(weights, shape, layer, x, len(inputs))
    final, _ = _norm(x, weights["norm"])
    return _cross_entropy(final @ weights["embedding"].T, targets.reshape(-1))[0]


@dataclass(slots=True)
class _Kept:
    """What the backward pass of a layer needs of its forward pass."""

    x: Array
    scale1: Array
    normed1: Array
    q: Array
    k: Array
    v: Array
    attention: Array
    mixed: Array
    middle: Array
    scale2: Array
    normed2: Array
    up: Array
    tanh: Array
    activated: Array


def _forward_layer(
    weights: Weights, shape: Shape, layer: int, x: Array, batch: int
) -> tuple[Array, _Kept]:
    length = len(x) // batch
    normed1, scale1 = _norm(x, weights[f"{layer}.norm1"])
    split = (normed1 @ weights[f"{layer}.qkv"]).reshape(batch, length, 3, shape.heads, -1)
    q, k, v = split.transpose(2, 0, 3, 1, 4)
    out, attention = _attend(q, k, v, shape)
    mixed = out.transpose(0, 2, 1, 3).reshape(len(x), -1)
    middle = x + mixed @ weights[f"{layer}.out"]
    normed2, scale2 = _norm(middle, weights[f"{layer}.norm2"])
    up = normed2 @ weights[f"{layer}.up"]
    activated, tanh = _gelu(up)
    kept = _Kept(
        *(x, scale1, normed1, q, k, v, attention, mixed),
        *(middle, scale2, normed2, up, tanh, activated),
    )
    return middle + activated @ weights[f"{layer}.down"], kept


def _backward_layer(
    weights: Weights, shape: Shape, layer: int, dx: Array, *, kept: _Kept, gradients: Weights
) -> Array:
    """Return the gradient before the layer, and add those of its weights to *gradients*."""
    gradients[f"{layer}.down"] = kept.activated.T @ dx
    dup = _gelu_back(dx @ weights[f"{layer}.down"].T, kept.up, kept.tanh)
    gradients[f"{layer}.up"] = kept.normed2.T @ dup
    dnormed = dup @ weights[f"{layer}.up"].T
    back, gradients[f"{layer}.norm2"] = _norm_back(
        dnormed, kept.middle, weights[f"{layer}.norm2"], kept.scale2
    )
    dx = dx + back
    gradients[f"{layer}.out"] = kept.mixed.T @ dx
    dqkv = _attend_back(dx @ weights[f"{layer}.out"].T, shape, kept)
    gradients[f"{layer}.qkv"] = kept.normed1.T @ dqkv
    dnormed = dqkv @ weights[f"{layer}.qkv"].T
    back, gradients[f"{layer}.norm1"] = _norm_back(
        dnormed, kept.x, weights[f"{layer}.norm1"], kept.scale1
    )
    return dx + back


def _attend_back(dmixed: Array, shape: Shape, kept: _Kept) -> Array:
    batch, heads, length, head_width = kept.q.shape
    dout = dmixed.reshape(batch, length, heads, head_width).transpose(0, 2, 1, 3)
    dv = kept.attention.swapaxes(-1, -2) @ dout
    dattention = dout @ kept.v.swapaxes(-1, -2)
    dscores = kept.attention * (
        dattention - (dattention * kept.attention).sum(axis=-1, keepdims=True)
    )
    dscores /= np.float32(math.sqrt(shape.width // shape.heads))
    dq, dk = dscores @ kept.k, dscores.swapaxes(-1, -2) @ kept.q
    dqkv: Array = np.stack([dq, dk, dv]).transpose(1, 3, 0, 2, 4).reshape(batch * length, -1)
    return dqkv


def _norm(x: Array, gain: Array) -> tuple[Array, Array]:
    scale = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
    return x * scale * gain, scale


def _norm_back(dy: Array, x: Array, gain: Array, scale: Array) -> tuple[Array, Array]:
    dgain = (dy * x * scale).sum(axis=0)
    dy = dy * gain
    return scale * (dy - x * scale**2 * (dy * x).mean(axis=-1, keepdims=True)), dgain


def _gelu(x: Array) -> tuple[Array, Array]:
    tanh: Array = np.tanh(np.float32(_GELU) * (x + np.float32(0.044715) * x * x * x))
    return np.float32(0.5) * x * (1 + tanh), tanh


def _gelu_back(dy: Array, x: Array, tanh: Array) -> Array:
    inner = np.float32(_GELU) * (1 + np.float32(3 * 0.044715) * x * x)
    slope: Array = np.float32(0.5) * (1 + tanh + x * (1 - tanh * tanh) * inner)
    return dy * slope


def _cross_entropy(logits: Array, targets: NDArray[np.int64]) -> tuple[float, Array]:
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    rows = np.arange(len(targets))
    loss = float(-np.log(logits[rows, targets] + np.float32(1e-20)).mean())
    logits[rows, targets] -= 1
    return loss, logits / np.float32(len(targets))
