"""The training and inference graphs of a network, and the module that is trained."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from inception_lens.analyses.analysis import analyze
from inception_lens.errors import TrainingError
from inception_lens.graph import Graph
from inception_lens.ops import LogSoftmax, Softmax
from inception_lens.pytorch.build.network import BuiltNetwork, build
from inception_lens.training.randomness import derive_seed


class Networks(NamedTuple):
    """One network in both modes."""

    training: Graph
    """With its auxiliary heads."""
    inference: Graph
    initialisation: str
    """The catalogue name of the network whose initialisation draws the weights, or `pytorch`."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image.

        Raises:
            TrainingError: the network does not have exactly one input, a batch of images.
        """
        shapes = [given.type.shape for given in self.inference.inputs]
        if len(shapes) != 1 or len(shapes[0]) != 4:
            raise TrainingError(f"`{self.inference.name}` does not take one batch of images, but {shapes}")
        _, channels, height, width = shapes[0]
        return channels, height, width

    @property
    def classes(self) -> int:
        """Scores per image of the main output.

        Raises:
            TrainingError: the main output is not one row of scores per image.
        """
        shape = self.inference.types[self.inference.outputs[0].node][0].shape
        if len(shape) != 2:
            raise TrainingError(f"`{self.inference.name}` returns {shape}, not one row of class scores per image")
        return shape[1]

    @property
    def params(self) -> int:
        """Parameters of the inference network."""
        return analyze(self.inference).totals.params

    @property
    def macs(self) -> int:
        """MACs of the inference network for one image."""
        return analyze(self.inference.with_batch(1)).totals.macs

    def build(self, seed: int) -> BuiltNetwork:
        """Build the module on the CPU, so that every device and process starts from the same weights."""
        torch.manual_seed(derive_seed(seed, "weights"))
        return build(self.training, self.inference, initialisation=self.initialisation)


def output_kind(graph: Graph) -> str:
    """What the first output of a graph holds: `probabilities`, `log_probabilities` or `logits`."""
    op = graph[graph.outputs[0].node].op
    if isinstance(op, LogSoftmax):
        return "log_probabilities"
    return "probabilities" if isinstance(op, Softmax) else "logits"


def log_probabilities(output: Tensor, kind: str) -> Tensor:
    """The log-probabilities of an output of that kind, in float32."""
    output = output.float()
    if kind == "probabilities":
        return output.clamp_min(torch.finfo(torch.float32).tiny).log()
    return output if kind == "log_probabilities" else output.log_softmax(1)


def loss_weights(graph: Graph, auxiliary: float | str) -> tuple[float, ...]:
    """The loss weight of each output: 1 for the first; `auxiliary` for each head, or the graph's own if it is text."""
    return tuple(
        1.0 if i == 0 else output.loss_weight if isinstance(auxiliary, str) else auxiliary
        for i, output in enumerate(graph.outputs)
    )


def to_channels_last(network: nn.Module) -> nn.Module:
    """The network with its weights in channels-last memory format."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
