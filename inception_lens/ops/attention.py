"""Attention."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Saved, Shape, TensorType, format_shape


class ScaledDotProductAttention(Op, frozen=True):
    """softmax(q k^T x scale + mask) v (A. Vaswani et al., arXiv 1706.03762, section 3.2.1).

    q is `(..., L, E)`, k `(..., S, E)` and v `(..., S, E_v)`; the output is `(..., L, E_v)`. Keys and values may have
    fewer heads than queries, each shared by a group of them (arXiv 2305.13245). MACs: ... x L x S x (E + E_v), with
    masked positions. Other FLOPs, per row of S scores: S multiplications by the scale, S additions of a mask if there
    is one, and 5 S - 2 of the softmax.
    """

    causal: bool = False
    """Whether each query attends only to the keys up to its own position; the cost is that of all keys."""

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
        return (*query[:-1], value[-1])

    def keeps_positions(self, shape: Shape) -> bool:
        return False

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        query, key, value = shapes[:3]
        return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        rows, keys = prod(shapes[0][:-1]), shapes[1][-2]
        return rows * (6 * keys - 2 + (keys if len(shapes) == 4 else 0))

    def backward_macs(self, macs: int, inputs_need: tuple[bool, ...], weights_need: bool) -> int:
        return 2 * macs * any(inputs_need)  # each of its two products is differentiated by both of its operands

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True, output=True)
