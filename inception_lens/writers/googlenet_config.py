"""The config of a GoogLeNet, read back from its graph: what to write to a file when the network is all that one has."""

import re
from typing import Any, TypeVar

import msgspec

from inception_lens.architectures.blocks import ACTIVATIONS
from inception_lens.architectures.googlenet import LRN, AuxHead, GoogLeNet, InceptionModule, Stem
from inception_lens.architectures.network import BatchNormConfig
from inception_lens.errors import ConfigError, GraphError, ShapeError
from inception_lens.graph import Graph
from inception_lens.ops import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Op,
)

OpType = TypeVar("OpType", bound=Op)


def googlenet_config(graph: Graph) -> GoogLeNet:
    """Read the config of a graph that `GoogLeNet.graph` wrote, so that `config.graph(graph.mode)` writes it again.

    Widths come out as built, with a multiplier of 1, and a reduction that is not there as `none` in its column. What
    the graph does not show, such as auxiliary heads at inference, is left empty or at its default.

    Raises:
        GraphError: the graph is no GoogLeNet.
    """
    try:
        config = _Reading(graph).config()
        again = config.graph(graph.mode, graph.inputs[0].type.shape[0])
    except (KeyError, IndexError, AttributeError, ConfigError, ShapeError) as error:
        raise GraphError(f"`{graph.name}` is no GoogLeNet: it lacks what one has: {error}") from None
    if (again.nodes, again.outputs) != (graph.nodes, graph.outputs):
        raise GraphError(f"`{graph.name}` is no GoogLeNet: no config of one would write it")
    return config


class _Reading:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = graph.index.nodes
        self.modules = sorted({name[:12] for name in self.nodes if re.match("inception_[1-9][a-z]/", name)})

    def config(self) -> GoogLeNet:
        first = self._first_conv()
        pools = [node.op for node in self.graph.nodes if isinstance(node.op, MaxPool2d) and node.op.stride == (2, 2)]
        norm = self._first(BatchNorm2d)
        classifier, dropout = self.nodes["loss3/classifier"].op, self.nodes.get("dropout")
        stem = self._stem()
        same = pools[0].padding == "same"
        several_stages = self.modules[0][10] != self.modules[-1][10]
        return GoogLeNet(
            classes=classifier.out_features if isinstance(classifier, Linear) else self._width("loss3/classifier"),
            input=msgspec.convert(self.graph.inputs[0].type.shape[1:], tuple[int, int, int]),
            stem=stem,
            modules={name: self._module(name) for name in self.modules},
            kernel_5x5=self.nodes[self._five(self.modules[0])].op.kernel_size[0],  # type: ignore[attr-defined]
            padding="same" if first.padding == "same" else "explicit",
            rounding="same" if same else pools[0].rounding,
            last_pool=pools[-1].kernel_size[0] if several_stages else 3,
            norm="batch" if norm else "lrn" if self._first(LocalResponseNorm) else "none",
            lrn=self._lrn(stem),
            batch_norm=BatchNormConfig(eps=norm.eps, momentum=norm.momentum or 0.0, scale=norm.scale)
            if norm
            else BatchNormConfig(),
            bias=first.bias,
            **self._activation(),
            final_pool=self._final_pool(),
            dropout=dropout.op.p if dropout and isinstance(dropout.op, Dropout) else 0.0,
            classifier="conv" if isinstance(classifier, Conv2d) else "linear",
            softmax=self.graph.mode == "training" or "prob" in self.nodes,
            **self._aux(),
        )

    def _first(self, kind: type[OpType]) -> OpType | None:
        return next((node.op for node in self.graph.nodes if isinstance(node.op, kind)), None)

    def _first_conv(self) -> Conv2d:
        conv = self._first(Conv2d)
        if conv is None:
            raise KeyError("a convolution")
        return conv

    def _width(self, name: str) -> int:
        return self.graph.types[name][0].shape[1]

    def _stem(self) -> Stem:
        name = self.graph.nodes[0].name
        first = self._first_conv()
        if not any(name.startswith("pool1/") for name in self.nodes):
            return Stem(kind="conv-conv-pool", conv1=self._width(name), conv2=self._width("conv2/3x3"))
        reduce = self._width("conv2/3x3_reduce") if "conv2/3x3_reduce" in self.nodes else "none"
        return Stem(
            kernel=first.kernel_size[0],
            stride=first.stride[0],
            conv1=first.out_channels,
            conv2_reduce=reduce,  # type: ignore[arg-type]  # an int, or the literal
            conv2=self._width("conv2/3x3"),
        )

    def _five(self, module: str) -> str:
        names = (name for name in self.nodes if re.fullmatch(rf"{module}/5x5(_branch_\d+x\d+)?", name))
        return next(names, f"{module}/5x5")

    def _module(self, module: str) -> InceptionModule:
        columns: dict[str, Any] = {"5x5": self._width(self._five(module))}
        for column in ("1x1", "3x3"):
            columns[column] = self._width(f"{module}/{column}")
        for column in ("3x3_reduce", "5x5_reduce", "pool_proj"):
            name = f"{module}/{column}"
            columns[column] = self._width(name) if name in self.nodes else "none"
        return msgspec.convert(columns, InceptionModule)

    def _lrn(self, stem: Stem) -> LRN:
        op = self._first(LocalResponseNorm)
        if op is None:
            return LRN()
        places = {name for name in self.nodes if re.fullmatch(r"(conv|pool)\d/norm\d", name)}
        before, after = {"conv1/norm1", "conv2/norm2"}, {"pool1/norm1", "pool2/norm2"}
        if stem.kind != "paper":
            before, after = set(), {"pool2/norm2"}
        position = "before_pool" if places == before else "after_pool" if places == after else "paper"
        return msgspec.convert({**msgspec.to_builtins(op), "position": position}, LRN)

    def _activation(self) -> dict[str, Any]:
        kinds = {op.kind: name for name, op in ACTIVATIONS.items()}
        for name, node in self.nodes.items():
            if node.op.category != "activation" or name.startswith("aux") or node.op.kind not in kinds:
                continue
            at = "concat" if name.endswith("_output") else "conv"
            if f"{node.inputs[0]}/bn" in self.nodes and at == "conv":
                at = "before_norm"
            return {"activation": kinds[node.op.kind], "activation_at": at}
        return {"activation": "none"}

    def _final_pool(self) -> str:
        for name, node in self.nodes.items():
            if name.startswith(f"pool{self.modules[-1][10]}/") and isinstance(node.op, AvgPool2d):
                kernel, stride = node.op.kernel_size, node.op.stride
                return f"{kernel[0]}x{kernel[1]}/{stride[0]}"
        return "global"

    def _aux(self) -> dict[str, Any]:
        pools = [node for node in self.graph.nodes if re.fullmatch(r"aux\d+/(ave_pool|avgpool)", node.name)]
        if not pools:
            return {"aux": ()}
        op, dropout = pools[0].op, self.nodes.get("aux1/dropout")
        shape: dict[str, Any] = {"pool": "adaptive"}
        if isinstance(op, AdaptiveAvgPool2d):
            shape["pool_size"] = op.output_size[0]
        elif isinstance(op, AvgPool2d):
            shape = {"pool_kernel": op.kernel_size[0], "pool_stride": op.stride[0]}
        head = AuxHead(
            **shape,
            conv=self._width("aux1/conv"),
            fc=self._width("aux1/fc"),
            dropout=dropout.op.p if dropout and isinstance(dropout.op, Dropout) else 0.0,
            loss_weight=self.graph.outputs[1].loss_weight,
        )
        return {"aux": tuple(node.inputs[0].partition("/")[0] for node in pools), "aux_head": head}
