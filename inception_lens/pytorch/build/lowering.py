"""From an operation to the PyTorch module that computes it, by the table of writers/pytorch/modules.py."""

from torch import nn

from inception_lens.ops import Op, TensorType
from inception_lens.pytorch.build import border, layers
from inception_lens.writers.pytorch.modules import torch_module


def lower(op: Op, inputs: tuple[TensorType, ...]) -> nn.Module:
    """The module that computes `op` on inputs of these types.

    Raises:
        GraphError: the operation does not say all that its computation needs.
    """
    kind, arguments, own = torch_module(op, inputs)
    home = nn if not own else border if hasattr(border, kind) else layers
    made: nn.Module = getattr(home, kind)(**arguments)
    return made
