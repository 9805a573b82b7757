"""A catalogue graph as a plain PyTorch module, for peers that count PyTorch modules."""

import torch
from torch import nn

from inception_lens import ops
from inception_lens.graph import Graph
from inception_lens.ops import Op, Shape


class _Twin(nn.Module):
    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        for node in graph.nodes:
            if not isinstance(node.op, ops.Concat | ops.Add):
                self.add_module(node.name, _layer(node.op, graph.input_types(node)[0].shape))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        values = {self.graph.inputs[0].name: image}
        for node in self.graph.nodes:
            inputs = [values[name] for name in node.inputs]
            if isinstance(node.op, ops.Concat):
                values[node.name] = torch.cat(inputs, node.op.dim)
            elif isinstance(node.op, ops.Add):
                values[node.name] = inputs[0] + node.op.scale * inputs[1]
            else:
                values[node.name] = self.get_submodule(node.name)(inputs[0])
        return values[self.graph.outputs[0].node]


def twin(graph: Graph) -> nn.Module:
    """The module that computes `graph`, one submodule per node.

    Raises:
        NotImplementedError: an operation, or a SAME padding, that the benchmark's networks do not have.
    """
    return _Twin(graph)


def _layer(op: Op, shape: Shape) -> nn.Module:
    match op:
        case ops.Conv2d(padding=tuple() as padding):
            kernel = op.kernel_size
            return nn.Conv2d(shape[1], op.out_channels, kernel, op.stride, padding, bias=op.bias)  # type: ignore[arg-type]
        case ops.Linear():
            return nn.Linear(shape[-1], op.out_features, op.bias)
        case ops.MaxPool2d(padding=tuple() as padding):
            return nn.MaxPool2d(op.kernel_size, op.stride, padding, ceil_mode=op.rounding == "ceil")  # type: ignore[arg-type]
        case ops.AvgPool2d(padding=tuple() as padding):
            return nn.AvgPool2d(op.kernel_size, op.stride, padding)  # type: ignore[arg-type]
        case ops.AdaptiveAvgPool2d():
            return nn.AdaptiveAvgPool2d(op.output_size)
        case ops.BatchNorm2d():
            return nn.BatchNorm2d(shape[1], op.eps, op.momentum)
        case ops.LocalResponseNorm():
            return nn.LocalResponseNorm(op.size, op.alpha, op.beta, op.k)
        case ops.ReLU():
            return nn.ReLU(op.inplace)
        case ops.Dropout():
            return nn.Dropout(op.p)
        case ops.Flatten():
            return nn.Flatten(op.start_dim)
        case ops.Softmax():
            return nn.Softmax(op.dim)
    raise NotImplementedError(f"no benchmark has {op}")
