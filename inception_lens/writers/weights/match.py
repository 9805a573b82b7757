"""Where a tensor of a weight file belongs in a network."""

from collections.abc import Mapping
from typing import NamedTuple

StateKeys = Mapping[str, tuple[str, str]]
"""The `state_dict` keys of a network, with the node and the role of each."""


class TensorMatch(NamedTuple):
    """A tensor of a file, the node and role that it has in the network, and how its values change."""

    name: str
    """The name in the file."""
    node: str
    """The name of the node."""
    role: str
    """As `Parameter.role`: `weight`, `bias`, `running_mean`."""
    axes: str = ""
    """The order of the axes if it is not PyTorch's: `hwio` and `hwim` of kernels, `io` of a matrix; `flat` if the file
    has the values in PyTorch's order without the sizes."""
    divisor: str = ""
    """The name of the tensor whose single value divides the values."""
    factor: float = 1.0
    """What the values are multiplied by."""
    shift: float = 0.0
    """What is added to the values."""
    map_size: tuple[int, ...] = ()
    """The map (height, width) that was flattened, channels last, to the inputs of a matrix; empty if none was."""
