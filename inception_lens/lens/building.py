"""A model as a PyTorch module, and what PyTorch adds: weights, and the cost of further operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Unpack

from inception_lens.errors import require
from inception_lens.graph import Inputs, Mode
from inception_lens.lens.keys import Keys
from inception_lens.lens.resolution import source_of

if TYPE_CHECKING:
    from torch.nn import Module

    from inception_lens.lens.resolution import Model
    from inception_lens.ops import Shape
    from inception_lens.pytorch.build.network import BuiltNetwork
    from inception_lens.pytorch.build.weights import WeightSource


def build(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    overrides: Mapping[str, object] | None = None,
    initialisation: str | None = None,
    **keys: Unpack[Keys],
) -> BuiltNetwork:
    """Build a network as a PyTorch module, in training mode as every new module; needs the extra `torch`.

    A network of the catalogue or of a config computes its auxiliary heads while it trains, and returns a tuple with the
    logits first. After `.eval()` it is the inference network: no heads, and a final softmax if `softmax` is true. The
    module takes other batches, and other image sizes if its layers do.

    >>> network = build("googlenet", classes=10).eval()
    >>> network(torch.zeros(2, 3, 224, 224)).shape
    torch.Size([2, 10])

    `mode="inference"` builds the inference network alone; a Graph is built as it is. `initialisation` is a name of the
    catalogue, whose initialisation draws the weights, or `pytorch`; by default that of the network that is built or
    varied. The other arguments are those of `load`.

    Raises:
        MissingExtraError: PyTorch is not installed.
        InceptionLensError: as `load` does, or the graph lacks what a module needs.
    """
    require("torch", extra="torch")
    from inception_lens.pytorch.build.network import build as build_graph

    source = source_of(model, {**(overrides or {}), **keys})
    graph, evaluation = source.module_graphs(mode, inputs, batch=batch, dtype=dtype)
    return build_graph(graph, evaluation, initialisation=initialisation or source.initialisation)


def load_weights(network: Module, weights: WeightSource) -> str:
    """Copy weights into a built network, all of them or none, and return whose names they have.

    `weights` is a `state_dict` or the path of one, with the network's own names or those of a port: torchvision's
    googlenet, inception_v3, alexnet, vgg and resnet, timm's inception_v3, inception_v4 and inception_resnet_v2, each
    for the dialect of its name. Files are safetensors, what `torch.save` writes, or those of TF-slim, Keras, Paddle and
    Caffe, whose values are converted as by the command `weights`; nothing in them is executed.

    >>> load_weights(build("lenet"), build("lenet").state_dict())
    "this network's own"

    Raises:
        WeightsError: a tensor has no place, has another shape or is missing; the network is unchanged.
    """
    require("torch", extra="torch")
    from inception_lens.pytorch.build.weights import load_weights as load_into

    return load_into(network, weights)


def register(
    target: str | type[Module],
    macs: Callable[..., int],
    *,
    flops: Callable[..., int] | None = None,
    output: Callable[..., Shape | Sequence[Shape]] | None = None,
) -> None:
    """Register the cost of an operator (`mylib::attention`) or of a module class; as `pytorch.trace.formulas.register`.

    >>> import inception_lens as il
    >>> class Doubled(torch.nn.Module):
    ...     def forward(self, x):
    ...         return mylib.double(x)
    >>> il.register(Doubled, macs=lambda module, inputs, outputs: 2 * inputs[0][-1])
    >>> il.analyze(torch.nn.Sequential(Doubled()), (1, 50)).totals.macs
    100

    Raises:
        ConfigError: the target is neither the name of an operator nor a module class.
    """
    require("torch", extra="torch")
    from inception_lens.pytorch.trace.formulas import register as register_formula

    register_formula(target, macs, flops=flops, output=output)
