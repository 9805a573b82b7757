"""What exporters record in an ONNX model beyond its operators: kinds of tensors, and the modules of nodes.

Source: `torch/onnx/_internal/exporter/_core.py` (`pkg.torch.*` keys) and onnxscript's optimizer (`folded_from`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from inception_lens.ops.special import TensorKind

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, ValueInfoProto

INPLACE_KEY = "inception_lens.inplace"
"""Metadata of a node that this project's export marks as in place, which ONNX cannot express."""


def tensor_kinds(graph: GraphProto) -> dict[str, TensorKind]:
    """Kinds of tensors by name, where PyTorch's exporter records them.

    A tensor that the exporter computed beforehand is a parameter if any of its sources is named like one.
    """
    found: dict[str, TensorKind] = {}
    for info in (*graph.input, *graph.value_info):
        for entry in info.metadata_props:
            if entry.key.endswith("InputSpec.kind") and entry.value in ("PARAMETER", "BUFFER"):
                found[info.name] = "parameter" if entry.value == "PARAMETER" else "buffer"
        for sources in _folded_from(info):
            learned = re.search(r"(weight|bias|embed|embedding|token)'", sources)
            found[info.name] = "parameter" if learned else "constant"
    return found


def copied_initializers(graph: GraphProto) -> dict[str, str]:
    """Initializers that the exporter computed from a single other one, such as its transpose: the same weights."""
    sizes = {each.name: prod(each.dims) for each in graph.initializer}
    found = {}
    for info in graph.value_info:
        for text in _folded_from(info):
            sources = re.findall(r"'([^']*)'", text)
            if len(sources) == 1 and sizes.get(sources[0]) == sizes.get(info.name, -1):
                found[info.name] = sources[0]
    return found


def _folded_from(info: ValueInfoProto) -> Iterator[str]:
    """The names in quotes from which a tensor was computed."""
    return (entry.value for entry in info.metadata_props if entry.key.endswith("optimizer.folded_from"))


def node_paths(node: NodeProto) -> tuple[str, str]:
    """The path of a node's module, and its own path; PyTorch's exporters write them in metadata or in the node's name.

    A module's path may be that of several nodes. Names like `/layer1/layer1.0/conv/Conv` repeat the modules around
    them, and end with the operator's name.
    """
    scopes = next((entry.value for entry in node.metadata_props if entry.key == "pkg.torch.onnx.name_scopes"), "")
    found = [part for part in re.findall(r"'([^']*)'", scopes) if part]
    if len(found) > 1:
        module = found[-2].replace(".", "/")
        return module, f"{module}/{found[-1]}"
    parts: list[str] = []
    for part in (found[0] if found else node.name).strip("/").split("/"):
        prefixes = (f"{'.'.join(parts[i:])}." for i in range(len(parts)))
        parts.append(part.removeprefix(next((each for each in prefixes if part.startswith(each)), "")))
    path = "/".join(part for part in parts if part) or node.op_type.lower()
    module, _, last = path.rpartition("/")
    is_operator = re.fullmatch(rf"{re.escape(node.op_type)}(_\d+)?", last)
    return (module if module and is_operator else path), path


def is_inplace(node: NodeProto) -> bool:
    """Whether this project's export marks the node as in place."""
    return any(entry.key == INPLACE_KEY and entry.value == "true" for entry in node.metadata_props)
