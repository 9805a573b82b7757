"""MXNet's weights under the names of the catalogue's networks: layers are paired by their order and shapes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from inception_lens.architectures.catalogue import find
from inception_lens.errors import FormatError
from inception_lens.graph import Graph
from inception_lens.readers.weights.files import read_weights
from inception_lens.writers.weights.conversion import convert_weights, state_tensors
from tests.readers.weights.test_mxnet import params

GENERATOR = np.random.default_rng(2)


def small(name: str) -> Graph:
    return find(name).config.replace(width=0.07, classes=7).graph("inference")


def gluon(graph: Graph, exported: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays by MXNet's names, whose numbers restart in each block, and by the network's own keys.

    `save_parameters` has the shortcut of a residual block after its body, `export` before it.
    """
    arrays: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    late: dict[str, Any] = {}
    block = ""
    for i, node in enumerate(node for node in graph.nodes if node.op.has_weights):
        if node.name.partition("/")[0] != block:
            arrays, late, block = arrays | late, {}, node.name.partition("/")[0]
        part = "downsample" if "/shortcut" in node.name else "body"
        layer = f"net0_{block}_layer{i % 4}{i}" if exported else f"features.{block}.{part}.{i}"
        for _, tensor in graph.tensors(node):
            role = tensor.role
            if node.op.category == "norm":
                role = {"weight": "gamma", "bias": "beta"}.get(role, role)
            kind = "aux:" if role.startswith("running") else "arg:"
            array = GENERATOR.random(tensor.shape, dtype="f4")
            name = f"{kind}{layer}_{role}" if exported else f"{layer}.{role}"
            (late if part == "downsample" and not exported else arrays)[name] = array
            wanted[state_tensors(graph)[node.name, tensor.role].key] = array
    return arrays | late, wanted


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize("network", ["inception_v3@torchvision", "alexnet", "vgg13", "resnet18", "resnet50"])
def test_the_parameters_of_gluon_are_converted(tmp_path: Path, network: str, exported: bool) -> None:
    graph = small(network)
    arrays, wanted = gluon(graph, exported)
    (tmp_path / "net.params").write_bytes(params(arrays))
    written, report = convert_weights(read_weights(str(tmp_path / "net.params")), graph)
    assert (report.missed, report.unset) == ((), ())
    found = load(written)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[key], array) for key, array in wanted.items())


def test_a_file_of_other_layers_roles_or_shapes_has_no_match(tmp_path: Path) -> None:
    """Names do not show where a layer belongs: unless all fit, none is placed."""
    graph = small("resnet18")
    arrays, _ = gluon(graph, exported=False)
    first, last = next(iter(arrays)), [*arrays][-1]
    other = {**arrays, first: GENERATOR.random((2, 3, 7, 7), dtype="f4")}
    without = {name: array for name, array in arrays.items() if name != last}
    for changed in (other, without, {**arrays, "features.9.bias": np.ones(3, "f4")}):
        (tmp_path / "net.params").write_bytes(params(changed))
        with pytest.raises(FormatError, match=r"none of its \d+ tensors matches"):
            convert_weights(read_weights(str(tmp_path / "net.params")), graph)
