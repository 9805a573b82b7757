"""Recurrent layers."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Parameter, Shape, TensorType, wrong_rank

MAX_LAYERS = 10_000
"""Consecutive layers in one call; each has tensors of its own."""


class _Recurrent(Op, frozen=True):
    """Base of recurrent layers: `(L, N, features)`, or `(N, L, features)` with `batch_first`; N may be missing.

    Each step of each layer and direction multiplies its input and its previous state by `gates` matrices each. The
    outputs are the sequence and the last states.
    """

    hidden_size: int
    """Units per direction."""
    layers: int = 1
    """Consecutive layers, 1 to `MAX_LAYERS`."""
    bias: bool = True
    """Whether biases are learned: two per gate and unit, as in PyTorch."""
    batch_first: bool = False
    """Whether the first axis is the batch, and not the steps."""
    bidirectional: bool = False
    """Whether the sequence is read in both directions."""
    proj_size: int = 0
    """Width that an LSTM's state is projected to; 0: it is not."""

    category: ClassVar[Category] = "recurrent"
    has_weights: ClassVar[bool] = True
    gates: ClassVar[int] = 1
    flops_per_unit: ClassVar[int] = 1
    states: ClassVar[tuple[str, ...]] = ("hidden",)

    @property
    def directions(self) -> int:
        """Number of directions that the sequence is read in."""
        return 2 if self.bidirectional else 1

    @property
    def width(self) -> int:
        """Features of the output per direction."""
        return self.proj_size or self.hidden_size

    def accepts(self, inputs: int) -> bool:
        return inputs in (1, 1 + len(self.states))

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        shape, dtype = inputs[0].shape, inputs[0].dtype
        if len(shape) not in (2, 3):
            raise wrong_rank(self.kind, shape, "2 or 3 axes, (L, N, features)")
        if not 1 <= self.layers <= MAX_LAYERS or self.hidden_size < 1 or self.proj_size < 0:
            sizes = f"{self.layers} layers of {self.hidden_size} units, projected to {self.proj_size}"
            raise ShapeError(f"{sizes}: {self.kind} has 1 to {MAX_LAYERS:,} layers of at least 1 unit")
        samples = () if len(shape) == 2 else (shape[0] if self.batch_first else shape[1],)
        stacked = (self.layers * self.directions, *samples)
        states = [(*stacked, self.width if state == "hidden" else self.hidden_size) for state in self.states]
        return tuple(TensorType(each, dtype) for each in ((*shape[:-1], self.directions * self.width), *states))

    def keeps_positions(self, shape: Shape) -> bool:
        return False

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        rows, features = self.gates * self.hidden_size, shapes[0][-1]
        tensors = []
        for layer in range(self.layers):
            reads = features if layer == 0 else self.directions * self.width
            for suffix in (f"l{layer}", f"l{layer}_reverse")[: self.directions]:
                tensors += [Parameter(f"weight_ih_{suffix}", (rows, reads))]
                tensors += [Parameter(f"weight_hh_{suffix}", (rows, self.width))]
                if self.bias:
                    tensors += [Parameter(f"bias_ih_{suffix}", (rows,)), Parameter(f"bias_hh_{suffix}", (rows,))]
                if self.proj_size:
                    tensors += [Parameter(f"weight_hr_{suffix}", (self.proj_size, self.hidden_size))]
        return tuple(tensors)

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(shapes[0][:-1]) * sum(t.elements for t in self.parameters(*shapes) if len(t.shape) == 2)

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        biases = sum(t.elements for t in self.parameters(*shapes) if len(t.shape) == 1)
        units = self.layers * self.directions * self.hidden_size
        # For each gate, the products of the input and of the state are added.
        return prod(shapes[0][:-1]) * (biases + units * (self.gates + self.flops_per_unit))

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> None:
        return None  # kernels of each device keep other tensors, some of a size that only the kernel knows


class RNN(_Recurrent, frozen=True):
    """Elman's recurrent layer, h = tanh(W x + b + U h + c).

    MACs: steps x all entries of its matrices. Other FLOPs, per step: one addition per bias and, per unit, the sum
    of the two products and the tanh.
    """


class LSTM(_Recurrent, frozen=True):
    """Long short-term memory (S. Hochreiter and J. Schmidhuber, 1997); its outputs are the sequence, the hidden and
    the cell state.

    MACs: steps x all entries of its matrices. Other FLOPs, per step: one addition per bias and, per unit, the
    sums of the two products of four gates, three sigmoids of 4, two tanhs, three multiplications and an addition.
    """

    gates: ClassVar[int] = 4
    flops_per_unit: ClassVar[int] = 18
    states: ClassVar[tuple[str, ...]] = ("hidden", "cell")


class GRU(_Recurrent, frozen=True):
    """Gated recurrent unit (K. Cho et al., arXiv 1406.1078, section 2.3).

    MACs: steps x all entries of its matrices. Other FLOPs, per step: one addition per bias and, per unit, the
    sums of the two products of three gates, two sigmoids of 4, a tanh, three multiplications and two additions.
    """

    gates: ClassVar[int] = 3
    flops_per_unit: ClassVar[int] = 14
