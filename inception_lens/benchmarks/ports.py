"""Comparison of built networks with torchvision and timm, with the same weights.

`make ports` writes reports/ports.md. Weights, biases and batch norm statistics are random, so that nothing has to be
downloaded and swapped tensors always show.
"""

import platform
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from inception_lens.errors import require
from inception_lens.lens import build, load_weights

if TYPE_CHECKING:
    from torch import Tensor, nn

LIMIT = 1e-5
"""The largest difference relative to the largest logit: some tens of float32 roundings, accumulated over layers."""


class PortCase(NamedTuple):
    """A network of the catalogue and the same network of another library."""

    name: str
    """In the catalogue."""
    library: str
    """`torchvision` or `timm`."""
    model: str
    """Name in the library."""
    size: int
    """Height and width of the image, pixels."""
    heads: int = 0
    """Number of auxiliary heads."""


CASES = (
    PortCase("googlenet@torchvision", "torchvision", "googlenet", 224, heads=2),
    PortCase("inception_v3@torchvision", "torchvision", "inception_v3", 299, heads=1),
    PortCase("inception_v3@timm", "timm", "inception_v3", 299),
    PortCase("inception_v4@timm", "timm", "inception_v4", 299),
    PortCase("inception_resnet_v2@timm", "timm", "inception_resnet_v2", 299),
    PortCase("alexnet", "torchvision", "alexnet", 224),
    *(PortCase(f"vgg{depth}", "torchvision", f"vgg{depth}", 64) for depth in (13, 16, 19)),
    *(PortCase(f"resnet{depth}", "torchvision", f"resnet{depth}", 128) for depth in (18, 34, 50, 101, 152)),
)


class PortDifference(NamedTuple):
    """The difference between the outputs of two networks with the same weights."""

    case: PortCase
    inference: float
    """Largest absolute difference of the logits."""
    training: float
    """The same in training mode, of main output and heads; batch norms use the batch, dropout is off."""
    largest: float
    """The largest absolute logit of both modes."""
    tensors: int
    """Tensors that were loaded."""


def libraries() -> dict[str, ModuleType]:
    """The packages torchvision and timm.

    If the installed torchvision does not match PyTorch, its compiled operators are declared so that it can be imported;
    no classification network calls them.

    Raises:
        MissingExtraError: a package is not installed.
    """
    torch = require("torch", extra="torch")
    if "torchvision" not in sys.modules:
        declared = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, operator):
                declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(declared)  # an operator exists as long as its library
    return {"torchvision": require("torchvision", extra="bench"), "timm": require("timm", extra="dev")}


_DECLARED: list[object] = []


def port(case: PortCase) -> "nn.Module":
    """The other library's module, with random weights and statistics."""
    torch, modules = require("torch", extra="torch"), libraries()
    torch.manual_seed(0)
    module: nn.Module
    if case.library == "timm":
        module = modules["timm"].create_model(case.model)
    else:
        arguments = {"init_weights": False} if case.model.startswith(("goog", "incep", "vgg")) else {}
        module = getattr(modules["torchvision"].models, case.model)(**arguments)
    generator = torch.Generator().manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            for tensor, low, high in (
                (layer.weight, 0.5, 1.5),
                (layer.bias, -0.2, 0.2),
                (layer.running_mean, -0.2, 0.2),
                (layer.running_var, 0.5, 1.5),
            ):
                torch.nn.init.uniform_(tensor, low, high, generator=generator)
    return module


def compare(case: PortCase) -> PortDifference:
    """Load the port's weights into the built network, and compare their outputs for the same images."""
    torch = require("torch", extra="torch")
    theirs, ours = port(case), build(case.name, (1, 3, case.size, case.size))
    weights = theirs.state_dict()
    load_weights(ours, weights)
    images = torch.rand(2, 3, case.size, case.size, generator=torch.Generator().manual_seed(2)) - 0.5
    largest, differences = 0.0, {}
    for training in (False, True):
        both = [_outputs(module, images, training) for module in (ours, theirs)]
        if [len(outputs) for outputs in both] != [1 + case.heads * training] * 2:
            raise AssertionError(f"{case.name}: {[len(outputs) for outputs in both]} outputs")
        pairs = list(zip(*both, strict=True))
        differences[training] = max((mine - other).abs().max().item() for mine, other in pairs)
        largest = max(largest, *(other.abs().max().item() for _, other in pairs))
    return PortDifference(case, differences[False], differences[True], largest, len(weights))


def _outputs(module: "nn.Module", images: "Tensor", training: bool) -> list["Tensor"]:
    """The logits and, in training mode, those of the heads, in their order in the network; without dropout."""
    import torch

    module.train(training)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    with torch.no_grad():
        found = module(images)
    if isinstance(found, torch.Tensor):
        return [found]
    main, *heads = found
    return [
        main,
        *(reversed(heads) if hasattr(found, "_fields") else heads),
    ]  # torchvision returns the later head first


def markdown(differences: Iterator[PortDifference]) -> str:
    """The report."""
    torch, modules = require("torch", extra="torch"), libraries()
    versions = ", ".join(f"{name} {module.__version__}" for name, module in {"torch": torch, **modules}.items())
    lines = [
        "# Built networks compared with other ports",
        "",
        f"{versions}; Python {platform.python_version()}, {platform.machine()}; CPU, float32.",
        "",
        "Weights, biases and batch norm statistics of the port are random, and are loaded with `il.load_weights`.",
        "In training mode batch norms use the batch, dropout is off, and the auxiliary heads are compared too.",
        "",
        "| network | port | image | tensors | largest logit | largest difference: inference | training |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for each in differences:
        case = each.case
        lines.append(
            f"| {case.name} | {case.library} {case.model} | {case.size} | {each.tensors} | {each.largest:.3g} "
            f"| {each.inference:.1e} | {each.training:.1e} |"
        )
    return "\n".join(lines) + "\n"


def main(write: Callable[[str], object] = sys.stdout.write) -> None:
    """Compare every port and write the report."""
    write(markdown(map(compare, CASES)))


if __name__ == "__main__":
    main()
