"""A model whose forward pass is one function, for tests of what a forward pass may do."""

from collections.abc import Callable

from torch import Tensor, nn


class Calls(nn.Module):
    """Calls a function with a linear layer of 64 MACs a row, and its inputs."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.linear, self.function = nn.Linear(8, 8, bias=False), function

    def forward(self, *inputs: Tensor) -> object:
        return self.function(self.linear, *inputs)
