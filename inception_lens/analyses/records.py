"""What an analysis says, as plain records: of a layer, of a module, of the whole network."""

import msgspec
from msgspec import UNSET, UnsetType

from inception_lens.analyses.receptive_field import Field
from inception_lens.ops import Category, Shape


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One call and all that is known of it. Sizes are elements or bytes; None means that nobody knows."""

    name: str
    op: str
    category: Category
    label: str
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    kernel: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    params: int
    params_trainable: int
    buffers: int
    macs: int | None
    flops: int | None
    weight_bytes: int
    activation_bytes: int
    live_bytes: int
    receptive_field: int | None
    """The longer side, in input pixels."""
    field: Field | None
    backward_macs: int | UnsetType | None = UNSET
    saved_activation_bytes: int | UnsetType = UNSET


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A module: exactly the sum of its layers."""

    name: str
    layers: tuple[Layer, ...]
    params: int
    params_trainable: int
    buffers: int
    macs: int
    flops: int
    weight_bytes: int
    activation_bytes: int
    live_bytes: int
    """The largest of its layers': memory at one time does not add up."""
    output_shape: Shape
    receptive_field: int | None
    exact: bool
    """Whether every layer's cost is known; where not, the sums say at least."""
    backward_macs: int | UnsetType = UNSET
    saved_activation_bytes: int | UnsetType = UNSET

    @property
    def category(self) -> Category | None:
        """What kind of work it does, norm and activation behind it aside; None for a module of several kinds."""
        found = {layer.category for layer in self.layers}
        found = found - {"activation", "norm", "shape"} or found
        return found.pop() if len(found) == 1 else None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over a whole network; the last five are there in training mode."""

    params: int
    """Declared by the network, shared tensors once."""
    params_trainable: int
    params_used: int
    """Read by this forward pass."""
    buffers: int
    macs: int
    flops: int
    weight_bytes: int
    buffer_bytes: int
    activation_bytes: int
    peak_activation_bytes: int
    exact: bool
    backward_macs: int | UnsetType = UNSET
    gradient_bytes: int | UnsetType = UNSET
    optimizer_bytes: int | UnsetType = UNSET
    """State of SGD with momentum: one number per trainable parameter."""
    optimizer_bytes_adam: int | UnsetType = UNSET
    """State of Adam: two."""
    saved_activation_bytes: int | UnsetType = UNSET
