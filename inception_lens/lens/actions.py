"""What is done with a network: counted, compared, built, drawn."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.analysis import analyze as analyze_graph
from inception_lens.analyses.compare.records import Comparison
from inception_lens.architectures.network import Network
from inception_lens.errors import GraphError, require
from inception_lens.graph import Graph, Mode
from inception_lens.lens.configs import configure
from inception_lens.lens.files import is_file
from inception_lens.lens.inputs import Inputs
from inception_lens.lens.loading import Model, both_modes, load, load_with
from inception_lens.terminal import Terminal

if TYPE_CHECKING:
    from torch.nn import Module

    from inception_lens.analyses.savings.network import Savings
    from inception_lens.pytorch.build.network import BuiltNetwork
    from inception_lens.pytorch.build.weights import Weights
    from inception_lens.renderers.diagrams.diagram import Diagram
    from inception_lens.renderers.pages.report import Report


def analyze(
    model: Model, inputs: Inputs | None = None, *, mode: Mode | None = None, batch: int | None = None
) -> Analysis:
    """Analyse a network; `model`, `inputs` and `mode` as in `load`, and `batch` samples at once.

    >>> analysis = analyze("googlenet")
    >>> analysis.totals.params, analysis.totals.macs
    (6998552, 1582671872)
    >>> [(module.name, module.macs) for module in analysis.by_module()[:2]]
    [('conv1', 118013952), ('pool1', 0)]

    Raises:
        InceptionLensError: as `load` does.
    """
    return analyze_graph(load_with(model, {}, inputs, mode, batch))


def compare(
    a: Model,
    b: Model,
    inputs: Inputs | None = None,
    *,
    overrides: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> Comparison:
    """Compare two networks by their structure, and their auxiliary heads; every delta is `b` less `a`.

    >>> comparison = compare("googlenet", "googlenet", overrides=({}, {"inception_3a/5x5_reduce": 24}))
    >>> [(change.a, change.params) for change in comparison.changes if change.params]
    [('inception_3a/5x5_reduce', 1544), ('inception_3a/5x5', 6400)]

    `overrides` are keys of the one config and of the other; the rest as in `load`. A Graph is compared as it is, and
    the other network in the Graph's mode; its heads are there in training mode.

    Raises:
        InceptionLensError: as `load` does.
    """
    from inception_lens.analyses.compare.comparison import compare as compare_graphs

    mode: Mode = next((model.mode for model in (a, b) if isinstance(model, Graph)), "inference")
    (at_a, training_a), (at_b, training_b) = (
        both_modes(model, keys, inputs) for model, keys in zip((a, b), overrides, strict=True)
    )
    if mode == "training":
        return compare_graphs(training_a, training_b)
    return compare_graphs(at_a, at_b, (training_a, training_b))


def savings(
    model: Model,
    inputs: Inputs | None = None,
    *,
    kinds: Sequence[str] = ("reductions", "naive"),
    machine: str = "h200",
    batch: int | None = None,
    **overrides: Any,
) -> Savings:
    """Count what a network saves by its 1x1 reductions, or by other tricks of its family.

    >>> found = savings("googlenet", kinds=["reductions"]).of("reductions")
    >>> len(found.sites), found.network.totals.params, found.rewritten.totals.params
    (19, 6998552, 25301784)

    Args:
        model: as in `load`.
        inputs: as in `load`.
        kinds: names of `analyses.savings_kinds`, or `all` alone.
        machine: whose roofline times are told: a name of `analyses.machines`, or `name:dtype`.
        batch: samples at once.
        **overrides: as in `load`.

    Raises:
        ConfigError: there is no such kind or machine.
        InceptionLensError: as `load` does, or the network cannot be rewritten.
    """
    return savings_with(model, overrides, inputs, kinds, machine, batch)


def savings_with(
    model: Model,
    overrides: Mapping[str, Any],
    inputs: Inputs | None,
    kinds: Sequence[str],
    machine: str,
    batch: int | None,
) -> Savings:
    """As `savings`, with the overrides as a mapping."""
    from inception_lens.analyses import machines
    from inception_lens.analyses.savings import kinds as savings_kinds
    from inception_lens.analyses.savings.network import savings as count

    asked = savings_kinds.kinds_called(kinds)
    graphs = {}
    for mode in dict.fromkeys(("inference", *(kind.mode for kind in asked))):
        graphs[mode] = load_with(model, overrides, inputs, mode, batch)
    return count(graphs, asked, machines.machine(machine))


def build(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    initialisation: str | None = None,
    **overrides: Any,
) -> BuiltNetwork:
    """Build a network as a PyTorch module, in training mode as every new module; needs the extra `torch`.

    A network of the catalogue or a config computes its auxiliary heads while it trains and returns a tuple, the logits
    first. After `.eval()` it is the inference network: no heads, and a softmax at the end where `softmax` says so.
    The module takes other batches, and other image sizes where its layers do.

    >>> network = build("googlenet", classes=10).eval()
    >>> network(torch.zeros(2, 3, 224, 224)).shape
    torch.Size([2, 10])

    Args:
        model: as in `load`.
        inputs: as in `load`.
        mode: `inference` builds the inference network alone, without heads; a Graph is always built as it is.
        initialisation: whose initialisation draws the weights, a name of the catalogue or `pytorch`; by default that of
            the network that is built or varied.
        **overrides: as in `load`; `softmax=False` ends in logits.

    Raises:
        MissingExtraError: PyTorch is not installed.
        InceptionLensError: as `load` does, or the graph does not say all that a module needs.
    """
    require("torch", extra="torch")
    from inception_lens.pytorch.build.network import build as build_graph

    if is_file(model) or not isinstance(model, str | os.PathLike | Network):
        return build_graph(load_with(model, overrides, inputs, mode), initialisation=initialisation)
    if initialisation is None:
        initialisation = configure(model, overrides).base or "pytorch"
    inference = load_with(model, overrides, inputs, "inference")
    if mode == "inference":
        return build_graph(inference, initialisation=initialisation)
    training = load_with(model, overrides, inputs, "training")
    return build_graph(training, inference, initialisation=initialisation)


def load_weights(network: Module, weights: Weights) -> str:
    """Copy weights into a built network, all of them or none, and return whose names they came under.

    `weights` is a `state_dict` or the path of one, with the network's own names or those of a port: torchvision's
    googlenet, inception_v3, alexnet, vgg and resnet, timm's inception_v3, inception_v4 and inception_resnet_v2, each
    for the dialect of its name. Files are safetensors or what `torch.save` wrote; nothing in them is ever run.

    >>> load_weights(build("lenet"), build("lenet").state_dict())
    "this network's own"

    Raises:
        WeightsError: a tensor finds no place, has another shape or is missing; the network is as it was.
    """
    require("torch", extra="torch")
    from inception_lens.pytorch.build.weights import load_weights as load_into

    return load_into(network, weights)


def summary(model: Model, input_size: Inputs | None = None, *, depth: int = 1) -> Analysis:
    """Print the table of a network and return its Analysis: for fingers used to torchinfo.

    >>> analysis = summary("lenet")
    lenet: LeNet-5...
    """
    from inception_lens.renderers.tables.text import render
    from inception_lens.tables.summary import summary_table

    analysis, terminal = analyze(model, input_size), Terminal()
    table = summary_table(analysis, depth=depth)
    print(render(table, width=terminal.width, unicode=terminal.unicode), end="")  # noqa: T201
    return analysis


def diagram(model: Model, inputs: Inputs | None = None, *, mode: Mode | None = None, **look: Any) -> Diagram:
    """Draw a network; `model`, `inputs` and `mode` as in `load`.

    >>> diagram("googlenet", module="inception_3a", heat="macs").draw("svg")[:5]
    b'<?xml'

    Args:
        model: what to draw.
        inputs: shape of the input.
        mode: `training` draws the auxiliary heads.
        **look: as in `renderers.diagram.diagram`: `level="layer"`, `module="inception_3a"`, `style="paper"`,
            `heat="macs"`, `fold=True`, `direction="left-to-right"`, `dark=True`.

    Returns:
        A Diagram: `.dot` is its DOT text, `.draw("svg")`, `"png"` or `"pdf"` a file's bytes; a notebook shows it.

    Raises:
        InceptionLensError: as `load` does; there is no such module; or the picture would be too large.
    """
    from inception_lens.renderers.diagrams.diagram import diagram as draw

    return draw(load(model, inputs, mode=mode), **look)


def report(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    against: Model | None = None,
    **overrides: Any,
) -> Report:
    """Make the page that shows everything about a network.

    >>> sorted(report("lenet").files)[:3]
    ['analysis.json', 'index.html', 'layers.csv']

    Args:
        model: as in `load`.
        inputs: as in `load`.
        mode: `training` keeps the auxiliary heads.
        against: a second network, to compare with on the same input.
        **overrides: as in `load`.

    Returns:
        A Report: `.html` is the page, and `.files` every file that the command `report` writes, by name.

    Raises:
        InceptionLensError: as `load` does.
    """
    return report_with(model, overrides, inputs, mode, against, {})


def report_with(
    model: Model,
    overrides: Mapping[str, Any],
    inputs: Inputs | None,
    mode: Mode | None,
    against: Model | None,
    overrides_against: Mapping[str, Any],
) -> Report:
    """As `report`, with the overrides of each network as a mapping."""
    from inception_lens.analyses import machines
    from inception_lens.analyses.savings import kinds as savings_kinds
    from inception_lens.analyses.savings.network import DEFAULT_KINDS
    from inception_lens.analyses.savings.network import savings as count
    from inception_lens.renderers.pages.report import Report

    graph = load_with(model, overrides, inputs, mode)
    found, reason = None, ""
    try:
        kinds = savings_kinds.kinds_called(DEFAULT_KINDS)
        found = count({"inference": graph}, kinds, machines.machine(machines.DEFAULT))
    except GraphError as error:  # such a rewrite does not fit every network that has a place for it
        reason = f"not counted: {error}"
    compared = None
    if against is not None:
        compared = compare(model, against, inputs, overrides=(overrides, overrides_against))
    return Report(analysis=analyze_graph(graph), savings=found, no_savings=reason, comparison=compared)


def register(
    target: str | type[Module],
    macs: Callable[..., int],
    *,
    flops: Callable[..., int] | None = None,
    output: Callable[..., Any] | None = None,
) -> None:
    """Say what an operator (`mylib::attention`) or a module of yours costs; as `pytorch.formulas.register`.

    >>> class Doubled(torch.nn.Module):
    ...     def forward(self, x):
    ...         return mylib.double(x)
    >>> register(Doubled, macs=lambda module, inputs, outputs: 2 * inputs[0][-1])
    >>> analyze(torch.nn.Sequential(Doubled()), (1, 50)).totals.macs
    100

    Raises:
        ConfigError: the target is no operator's name and no module's class.
    """
    require("torch", extra="torch")
    from inception_lens.pytorch.trace.formulas import register as register_formula

    register_formula(target, macs, flops=flops, output=output)
