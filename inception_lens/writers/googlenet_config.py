"""The config of a GoogLeNet from its graph, for networks that were read from a file."""

import re
from typing import TypeVar

import msgspec

from inception_lens.architectures.blocks import ACTIVATIONS
from inception_lens.architectures.googlenet import GoogLeNet
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
    """The config whose `graph(mode)` is equal to a graph that was built by `GoogLeNet.graph`.

    Widths are those of the graph, with a multiplier of 1, and a reduction that the graph lacks is `none`. Settings
    that the graph does not show have their defaults; at inference there are no auxiliary heads.

    Raises:
        GraphError: no config of a GoogLeNet gives this graph.
    """
    try:
        config = _GoogLeNetParser(graph).config()
        again = config.graph(graph.mode, graph.inputs[0].type.shape[0])
    except (LookupError, msgspec.ValidationError, ConfigError, ShapeError) as error:
        raise GraphError(f"`{graph.name}` is not a GoogLeNet: {error}") from None
    if (again.nodes, again.outputs) != (graph.nodes, graph.outputs):
        raise GraphError(f"`{graph.name}` is not a GoogLeNet: its layers differ from those of every config")
    return config


class _GoogLeNetParser:
    """Finds the settings of a config in the nodes, by their names; each method returns the keys of one table."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = graph.index.nodes
        self.modules = sorted({name[:12] for name in self.nodes if re.match("inception_[1-9][a-z]/", name)})
        if not self.modules:
            raise LookupError("it has no Inception modules")

    def config(self) -> GoogLeNet:
        conv = self.op(self.graph.nodes[0].name, Conv2d)
        pools = [node.op for node in self.graph.nodes if isinstance(node.op, MaxPool2d) and node.op.stride == (2, 2)]
        if not pools:
            raise LookupError("it has no max pool of stride 2")
        norm, lrn = self.first(BatchNorm2d), self.first(LocalResponseNorm)
        several_stages = self.modules[0][10] != self.modules[-1][10]
        return msgspec.convert(
            {
                "classes": self.width("loss3/classifier"),
                "input": self.graph.inputs[0].type.shape[1:],
                "stem": self.stem(conv),
                "modules": {name: self.module(name) for name in self.modules},
                "kernel_5x5": self.op(self.branch_5x5(self.modules[0]), Conv2d).kernel_size[0],
                "padding": "same" if conv.padding == "same" else "explicit",
                "rounding": "same" if pools[0].padding == "same" else pools[0].rounding,
                "last_pool": pools[-1].kernel_size[0] if several_stages else 3,
                "norm": "batch" if norm else "lrn" if lrn else "none",
                "lrn": self.lrn(lrn) if lrn else {},
                "batch_norm": {"eps": norm.eps, "momentum": norm.momentum or 0.0, "scale": norm.scale} if norm else {},
                "bias": conv.bias,
                **self.activation(),
                "final_pool": self.final_pool(),
                "dropout": self.dropout("dropout"),
                "classifier": "linear" if isinstance(self.nodes["loss3/classifier"].op, Linear) else "conv",
                "softmax": self.graph.mode == "training" or "prob" in self.nodes,
                **self.aux(),
            },
            GoogLeNet,
        )

    def first(self, kind: type[OpType]) -> OpType | None:
        return next((node.op for node in self.graph.nodes if isinstance(node.op, kind)), None)

    def op(self, name: str, kind: type[OpType]) -> OpType:
        op = self.nodes[name].op if name in self.nodes else None
        if not isinstance(op, kind):
            raise LookupError(f"`{name}` is not a {kind.__name__}")
        return op

    def width(self, name: str) -> int:
        if name not in self.nodes:
            raise LookupError(f"there is no `{name}`")
        return self.graph.types[name][0].shape[1]

    def dropout(self, name: str) -> float:
        return self.op(name, Dropout).p if name in self.nodes else 0.0

    def stem(self, conv: Conv2d) -> dict[str, object]:
        if not any(name.startswith("pool1/") for name in self.nodes):
            return {"kind": "conv-conv-pool", "conv1": conv.out_channels, "conv2": self.width("conv2/3x3")}
        return {
            "kernel": conv.kernel_size[0],
            "stride": conv.stride[0],
            "conv1": conv.out_channels,
            "conv2_reduce": self.reduction("conv2/3x3_reduce"),
            "conv2": self.width("conv2/3x3"),
        }

    def reduction(self, name: str) -> int | str:
        return self.width(name) if name in self.nodes else "none"

    def branch_5x5(self, module: str) -> str:
        names = (name for name in self.nodes if re.fullmatch(rf"{module}/5x5(_branch_\d+x\d+)?", name))
        return next(names, f"{module}/5x5")

    def module(self, module: str) -> dict[str, object]:
        widths = {column: self.width(f"{module}/{column}") for column in ("1x1", "3x3")}
        columns = ("3x3_reduce", "5x5_reduce", "pool_proj")
        reductions = {column: self.reduction(f"{module}/{column}") for column in columns}
        return {**widths, "5x5": self.width(self.branch_5x5(module)), **reductions}

    def lrn(self, op: LocalResponseNorm) -> dict[str, object]:
        before = "before_pool" if "conv1/norm1" in self.nodes else "paper"
        position = "after_pool" if "pool2/norm2" in self.nodes else before
        return {**msgspec.to_builtins(op), "position": position}

    def activation(self) -> dict[str, object]:
        names = {op.kind: name for name, op in ACTIVATIONS.items()}
        for name, node in self.nodes.items():
            if node.op.category != "activation" or name.startswith("aux") or node.op.kind not in names:
                continue
            at = "concat" if name.endswith("_output") else "conv"
            if f"{node.inputs[0]}/bn" in self.nodes and at == "conv":
                at = "before_norm"
            return {"activation": names[node.op.kind], "activation_at": at}
        return {"activation": "none"}

    def final_pool(self) -> str:
        for name, node in self.nodes.items():
            if name.startswith(f"pool{self.modules[-1][10]}/") and isinstance(node.op, AvgPool2d):
                kernel, stride = node.op.kernel_size, node.op.stride
                return f"{kernel[0]}x{kernel[1]}/{stride[0]}"
        return "global"

    def aux(self) -> dict[str, object]:
        pools = [node for node in self.graph.nodes if re.fullmatch(r"aux\d+/(ave_pool|avgpool)", node.name)]
        if not pools:
            return {"aux": ()}
        op = pools[0].op
        pool: dict[str, object] = {"pool": "adaptive"}
        if isinstance(op, AdaptiveAvgPool2d):
            pool["pool_size"] = op.output_size[0]
        elif isinstance(op, AvgPool2d):
            pool = {"pool_kernel": op.kernel_size[0], "pool_stride": op.stride[0]}
        head = {
            "conv": self.width("aux1/conv"),
            "fc": self.width("aux1/fc"),
            "dropout": self.dropout("aux1/dropout"),
            "loss_weight": self.graph.outputs[1].loss_weight,
        }
        return {"aux": tuple(node.inputs[0].partition("/")[0] for node in pools), "aux_head": {**pool, **head}}
