"""Forward and backward pass of one micro-batch as a CUDA graph: one kernel launch instead of several hundred."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

WARMUPS = 3
"""Passes before the capture, in which libraries choose kernels and allocate workspaces."""


class GraphedPart:
    """Captures `function(x, labels)`, which computes gradients, and replays it on other batches of the same size.

    The capture follows PyTorch's notes on CUDA semantics ("Whole-network capture"): warm up on a side stream, drop the
    gradients, capture. The optimizer is not captured, so that the learning rate can change. Running statistics are
    restored after the warm-up; each replay draws new dropout masks from the generator's seed at that time.
    """

    def __init__(
        self, function: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], network: nn.Module, x: Tensor, labels: Tensor
    ) -> None:
        self.x, self.labels = x.clone(), labels.clone()
        buffers = [buffer.clone() for buffer in network.buffers()]
        seed = torch.cuda.initial_seed()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARMUPS):
                network.zero_grad(set_to_none=True)
                function(self.x, self.labels)
        torch.cuda.current_stream().wait_stream(stream)
        network.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.results = function(self.x, self.labels)
        for buffer, value in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(value)
        torch.cuda.manual_seed(seed)

    def __call__(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Replace the gradients by those of this batch; returns what the captured function returns."""
        self.x.copy_(x)
        self.labels.copy_(labels)
        self.graph.replay()
        return self.results
