"""Embedding tables."""

from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Parameter, Saved, Shape, TensorType


class Embedding(Op, frozen=True):
    """A learned vector for each index, `(...)` to `(..., embedding_dim)`: a lookup without arithmetic."""

    num_embeddings: int
    """Number of vectors."""
    embedding_dim: int
    """Length of a vector."""
    dtype: str = "float32"
    """Dtype of the vectors; that of the input, the indices, is an integer."""

    category: ClassVar[Category] = "embedding"
    has_weights: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return f"embedding {self.num_embeddings}"

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        if self.num_embeddings < 0:
            raise ShapeError(f"an embedding of {self.num_embeddings} vectors: the number must not be negative")
        return (TensorType((*inputs[0].shape, self.embedding_dim), self.dtype),)

    def keeps_positions(self, shape: Shape) -> bool:
        return False

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        return (Parameter("weight", (self.num_embeddings, self.embedding_dim)),)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs_for_weights=True)
