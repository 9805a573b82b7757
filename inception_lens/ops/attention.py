"""Attention."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Saved, Shape, TensorType, broadcast, format_shape


class ScaledDotProductAttention(Op, frozen=True):
    """softmax(q k^T x scale + mask) v (A. Vaswani et al., arXiv 1706.03762, section 3.2.1).

    q is `(..., L, E)`, k `(..., S, E)`, v `(..., S, E_v)` and the mask `(..., L, S)`; the output is `(..., L, E_v)`.
    Leading axes broadcast. Keys and values may have fewer heads than queries, each shared by a group of them
    (arXiv 2305.13245). MACs, with masked positions: for q k^T ... x L x S x E over the leading axes of q and k, and
    for the product with v ... x L x S x E_v over those of all inputs. Other FLOPs, per row of S scores: S
    multiplications by the scale, S additions of a mask if there is one, and 5 S - 2 of the softmax.
    """

    causal: bool = False
    """Whether each query attends only to the keys up to its own position; the cost is that of all keys."""
    scale: float | None = None
    """Factor of the scores; None: 1 / sqrt(E)."""

    category: ClassVar[Category] = "attention"

    @property
    def label(self) -> str:
        return "causal attention" if self.causal else "attention"

    def accepts(self, inputs: int) -> bool:
        return inputs in (3, 4)

    def output_shape(self, *shapes: Shape) -> Shape:
        query, key, value = shapes[:3]
        if not min(map(len, shapes[:3])) >= 2 or query[-1] != key[-1] or key[-2] != value[-2]:
            raise ShapeError(
                f"attention of q {format_shape(query)}, k {format_shape(key)} "
                f"and v {format_shape(value)}: the last axes of q and k, or the lengths of k and v, differ"
            )
        scores = self._scores(*shapes)[-1]
        return (*broadcast(scores[:-2], _heads(query, value)), scores[-2], value[-1])

    def _scores(self, query: Shape, key: Shape, value: Shape, mask: Shape = ()) -> tuple[Shape, Shape]:
        """Shape of q k^T, and of the sum of it and the mask."""
        scores = (*broadcast(query[:-2], _heads(query, key)), query[-2], key[-2])
        masked = broadcast(scores, mask)
        if masked[-1] != key[-2]:
            raise ShapeError(f"attention with a mask of {format_shape(mask)} for scores of {format_shape(scores)}")
        return scores, masked

    def keeps_positions(self, shape: Shape) -> bool:
        return False

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        scores, _ = self._scores(*shapes)
        return prod(scores) * shapes[0][-1] + prod(output) * scores[-1]

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        scores, masked = self._scores(*shapes)
        added = prod(masked) if len(shapes) == 4 else 0
        return prod(scores) + added + prod(masked[:-1]) * (5 * masked[-1] - 2)

    def backward_macs(self, macs: int, inputs_need: tuple[bool, ...], weights_need: bool) -> int:
        return 2 * macs * any(inputs_need)  # each of its two products is differentiated by both of its operands

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True, output=True, extra_bytes=4 * prod(output.shape[:-1]))  # the log of each row's sum


def _heads(query: Shape, other: Shape) -> Shape:
    """The leading axes of keys or values, in which each head that a group of queries shares is repeated."""
    leading = other[:-2]
    if len(query) > 2 and leading and leading[-1] and query[-3] % leading[-1] == 0:
        return (*leading[:-1], query[-3])
    return leading
