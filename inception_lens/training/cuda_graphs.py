"""Forward and backward of one part as a CUDA graph: one launch in place of some hundreds."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

WARM_UPS = 3
"""Passes before the capture, in which libraries choose their kernels and make their workspaces."""


class GraphedPart:
    """Captures `function(x, labels)`, which leaves gradients behind, and replays it on other batches of that size.

    The capture follows PyTorch's notes on CUDA semantics ("Whole-network capture"): warm up on a side stream, drop the
    gradients, capture. The optimizer stays outside, so that the learning rate may change. What the warm-up did to
    running statistics is undone; dropout draws anew in each replay, from the generator's seed of that moment.
    """

    def __init__(
        self, function: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], network: nn.Module, x: Tensor, labels: Tensor
    ) -> None:
        self.x, self.labels = x.clone(), labels.clone()
        kept = [buffer.clone() for buffer in network.buffers()]
        seed = torch.cuda.initial_seed()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                network.zero_grad(set_to_none=True)
                function(self.x, self.labels)
        torch.cuda.current_stream().wait_stream(stream)
        network.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.results = function(self.x, self.labels)
        for buffer, value in zip(network.buffers(), kept, strict=True):
            buffer.copy_(value)
        torch.cuda.manual_seed(seed)

    def __call__(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Leave the gradients of this batch in place of those of the last one; return what the function does."""
        self.x.copy_(x)
        self.labels.copy_(labels)
        self.graph.replay()
        return self.results
