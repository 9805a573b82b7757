"""From an operation to the `nn.Module` that computes it, by the table in `writers/pytorch/module_table.py`."""

from torch import nn

from inception_lens.ops import Op, TensorType
from inception_lens.pytorch.build import border, layers
from inception_lens.writers.pytorch.module_table import torch_module


def lower(op: Op, inputs: tuple[TensorType, ...]) -> nn.Module:
    """The module that computes `op` on inputs of these types.

    Raises:
        GraphError: the operation does not hold all that its computation needs, or PyTorch has no such module.
    """
    kind, arguments, own = torch_module(op, inputs)
    return module_class(kind, own)(**arguments)


def module_class(name: str, own: bool) -> type[nn.Module]:
    """The class that the table calls `name`: of `torch.nn`, or of this package where `own` is true."""
    home = nn if not own else border if hasattr(border, name) else layers
    found: type[nn.Module] = getattr(home, name)
    return found
