"""The records of an analysis: one layer, one module, the whole network."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from inception_lens.analyses.receptive_field import ReceptiveField
from inception_lens.ops import Category, Role, main_category

PartialShape = tuple[int | None, ...] | None
"""A shape with None for each unknown size; None if the number of axes is unknown."""


class JsonResult(msgspec.Struct, frozen=True):
    """A result with a JSON form."""

    def to_builtins(self) -> dict[str, Any]:
        """The keys of the JSON form; numbers are exact integers."""
        raise NotImplementedError

    def to_json(self, indent: int = 2) -> str:
        """The JSON that the command for this result prints with `--format json`."""
        return msgspec.json.format(msgspec.json.encode(self.to_builtins()), indent=indent).decode()


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One call with its shapes and costs. None means unknown; a column that does not apply is None too."""

    name: str
    """Path of the node, such as `inception_3a/5x5_reduce`."""
    op: str
    """Kind of the operation, such as `Conv2d`."""
    category: Category
    """Kind of work, such as `conv`."""
    role: Role
    """What the call is to its layer, such as `finish`."""
    label: str
    """Short description, such as `5x5/2`."""
    inputs: tuple[str, ...]
    """Names of the tensors that it reads."""
    input_shapes: tuple[PartialShape, ...]
    """One shape per input, batch first."""
    output_shape: PartialShape
    """Shape of the first output, batch first; None for a module that was not run."""
    has_batch: bool
    """Whether the output is computed from an input of the network: otherwise its first axis is not the batch."""
    kernel: tuple[int, ...] | None
    """Window of a convolution or pool, per spatial axis."""
    stride: tuple[int, ...] | None
    """Step of that window, per spatial axis."""
    params: int | None
    """Learned elements; a tensor that several calls share counts at the first."""
    params_trainable: int | None
    """The elements among them that training changes."""
    params_exact: bool
    """Whether its parameters are all known; where only some are, `params` is a lower bound."""
    buffers: int
    """Elements that are kept but not learned, such as the running statistics of a batch norm."""
    macs: int | None
    """Multiply-accumulates of the forward pass, bias not counted."""
    flops: int | None
    """FLOPs of the forward pass: two per MAC, plus bias, norm, activation, pooling and element-wise arithmetic."""
    weight_bytes: int | None
    """Size of the parameters, each in its own dtype."""
    activation_bytes: int | None
    """Bytes that the outputs allocate; 0 for a view and for an operation in place."""
    live_bytes: int | None
    """Bytes of all activations that are alive during the call, inputs and outputs included."""
    receptive_field: int | None
    """The longer side of the receptive field, in input pixels."""
    receptive_field_detail: ReceptiveField | None
    """Receptive field per spatial axis."""
    backward_macs: int | UnsetType | None = UNSET
    """Multiply-accumulates of the backward pass; present in training mode."""
    saved_activation_bytes: int | UnsetType | None = UNSET
    """Bytes kept from this call on for the backward pass; None if unknown; present in training mode."""
    params_nonzero: int | UnsetType = UNSET
    """The elements among `params` that are not zero; present for a pruned model."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A module: the exact sum of its layers."""

    name: str
    """Path of the module, such as `inception_3a`."""
    layers: tuple[Layer, ...]
    """Its layers, in the order of execution."""
    params: int
    """Learned elements."""
    params_trainable: int
    """The elements among them that training changes."""
    buffers: int
    """Elements that are kept but not learned."""
    macs: int
    """Multiply-accumulates of the forward pass."""
    flops: int
    """FLOPs of the forward pass."""
    weight_bytes: int
    """Size of the parameters."""
    activation_bytes: int
    """Bytes that its layers allocate."""
    live_bytes: int
    """The maximum over its layers, since memory at different times does not add up."""
    output_shape: PartialShape
    """Shape of its last layer's output."""
    receptive_field: int | None
    """The largest receptive field of its layers, in input pixels."""
    exact: bool
    """Whether every layer's cost is known; where it is not, the sums are lower bounds."""
    params_exact: bool
    """Whether the parameters of every layer are known; where they are not, their sums are lower bounds."""
    backward_macs: int | UnsetType = UNSET
    """Multiply-accumulates of the backward pass; present in training mode."""
    saved_activation_bytes: int | UnsetType = UNSET
    """Bytes kept for the backward pass; present in training mode."""
    params_nonzero: int | UnsetType = UNSET
    """The elements among `params` that are not zero; present for a pruned model."""

    @property
    def category(self) -> Category | None:
        """What kind of work its layers do; None for several kinds."""
        return main_category([(layer.role, layer.category) for layer in self.layers])


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over a whole network; the last six are present in training mode."""

    params: int
    """Learned elements that the network declares; a shared tensor counts once."""
    params_trainable: int
    """The elements among them that training changes."""
    params_used: int
    """The elements among `params` that this forward pass reads."""
    buffers: int
    """Elements that are kept but not learned, such as batch-norm statistics."""
    macs: int
    """Multiply-accumulates of the forward pass, bias not counted."""
    flops: int
    """FLOPs of the forward pass: two per MAC, plus each operation's other arithmetic."""
    weight_bytes: int
    """Size of `params`, each in its own dtype."""
    buffer_bytes: int
    """Size of `buffers`, each in its own dtype."""
    activation_bytes: int
    """Sum of all allocated activations."""
    peak_activation_bytes: int
    """The largest known total of activations alive at one time."""
    activations_exact: bool
    """Whether the shape of every tensor is known; otherwise the two sizes above are lower bounds."""
    exact: bool
    """Whether nothing in the totals is unknown; where something is, FLOPs are a lower bound."""
    macs_exact: bool
    """Whether the MACs of every call are known; otherwise `macs` is a lower bound."""
    params_exact: bool
    """Whether the parameters of every call are known; otherwise `params` is a lower bound."""
    backward_macs: int | UnsetType = UNSET
    """Multiply-accumulates of the backward pass."""
    gradient_bytes: int | UnsetType = UNSET
    """One gradient per trainable parameter, in its dtype."""
    optimizer_bytes: int | UnsetType = UNSET
    """State of SGD with momentum: one number per trainable parameter."""
    optimizer_bytes_adam: int | UnsetType = UNSET
    """State of Adam: two numbers per trainable parameter."""
    saved_activation_bytes: int | UnsetType = UNSET
    """Activations that autograd keeps between the forward and the backward pass."""
    saved_exact: bool | UnsetType = UNSET
    """Whether it is known what every call keeps; otherwise `saved_activation_bytes` is a lower bound."""
    params_nonzero: int | UnsetType = UNSET
    """The elements among `params` that are not zero; present for a pruned model, in both modes."""
