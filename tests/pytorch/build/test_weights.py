"""Weights of other libraries are matched by name and give the same logits; mismatches are named and change nothing."""

import argparse
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import inception_lens as il
from inception_lens.benchmarks.ports import CASES, LIMIT, PortCase, compare, libraries, port
from inception_lens.errors import MissingExtraError, WeightsError
from inception_lens.pytorch.build.weights import load_state
from inception_lens.writers.weights.naming.ports import PORTS, port_names
from tests.readers.weights.checkpoints import v1
from tests.writers.weights.test_conversion import slim_layer

SMALLER = {
    "googlenet@torchvision": 64,
    "inception_v3@torchvision": 299,
    "inception_v3@timm": 75,
    "inception_v4@timm": 75,
    "inception_resnet_v2@timm": 139,
    "alexnet": 64,
    "vgg13": 32,
    "resnet18": 33,
    "resnet50": 33,
}
"""Networks that are run here, and images small enough to be quick; reports/ports.md has all, at their own size."""


@pytest.fixture(scope="module", autouse=True)
def _others() -> None:
    try:
        libraries()
    except MissingExtraError as error:
        pytest.skip(f"NOTHING HERE IS PROVED WITHOUT THE PORTS: {error}")


@pytest.mark.parametrize("case", [case for case in CASES if case.name in SMALLER], ids=lambda case: case.name)
def test_a_network_computes_what_its_port_computes(case: PortCase) -> None:
    found = compare(case._replace(size=SMALLER[case.name]))
    assert found.inference <= LIMIT * found.largest
    assert found.training <= LIMIT * found.largest
    assert found.largest > 1e-3


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_tensor_of_a_port_is_matched_once(case: PortCase) -> None:
    with torch.device("meta"):
        theirs, ours = port(case), il.build(case.name)
    (names,) = [
        names
        for names in (port_names(each, ours.state_dict()) for each in PORTS)
        if set(names.values()) == set(theirs.state_dict())
    ]
    assert set(names) == set(ours.state_dict())
    assert len(set(names.values())) == len(names)
    assert il.load_weights(ours, theirs.state_dict()).startswith(case.library.replace("timm", "t"))


def lenet(classes: int = 10) -> nn.Module:
    torch.manual_seed(classes)
    return il.build("lenet", classes=classes)


def test_own_names_are_read_from_every_kind_of_file(tmp_path: Path) -> None:
    wanted = lenet()
    save_file(wanted.state_dict(), tmp_path / "w.safetensors")
    torch.save(wanted.state_dict(), tmp_path / "w.pt")
    torch.save({"state_dict": wanted.state_dict(), "epoch": 3}, tmp_path / "checkpoint.pth")
    for given in (wanted.state_dict(), tmp_path / "w.safetensors", str(tmp_path / "w.pt"), tmp_path / "checkpoint.pth"):
        torch.manual_seed(1)
        network = il.build("lenet")
        assert il.load_weights(network, given) == "this network's own"
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), wanted.parameters(), strict=True))


def test_a_network_on_the_meta_device_takes_the_tensors_themselves() -> None:
    wanted = lenet()
    with torch.device("meta"):
        network = il.build("lenet")
    il.load_weights(network, wanted.state_dict())
    assert torch.equal(network.eval()(torch.ones(1, 1, 32, 32)), wanted.eval()(torch.ones(1, 1, 32, 32)))


@pytest.fixture
def network() -> nn.Module:
    return lenet()


def refused(network: nn.Module, weights: dict[str, torch.Tensor], match: str) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=match):
        il.load_weights(network, weights)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_missing_tensors_are_named(network: nn.Module) -> None:
    weights = lenet().state_dict()
    del weights["F6.bias"]
    weights["C1.weight"].add_(1)
    refused(network, weights, r"read as this network's own do not match the network; missing: F6\.bias$")


def test_unknown_tensors_are_named(network: nn.Module) -> None:
    weights = {**lenet().state_dict(), "F7.weight": torch.ones(3)}
    refused(network, weights, r"unknown: F7\.weight$")


def test_a_wrong_shape_is_reported_with_the_right_one(network: nn.Module) -> None:
    match = r"wrong shapes: output\.weight is 12x84 and must be 10x84; output\.bias is 12 and"
    refused(network, lenet(12).state_dict(), match)


def test_a_ports_names_are_in_the_message() -> None:
    with torch.device("meta"):
        theirs = port(CASES[0]).state_dict()
        network = il.build("googlenet@torchvision", mode="inference")
    with pytest.raises(WeightsError, match=r"read as torchvision's googlenet .* unknown: aux1\.conv"):
        il.load_weights(network, theirs)
    with torch.device("meta"):
        ten = il.build("googlenet@torchvision", classes=10)
    with pytest.raises(
        WeightsError, match=r"fc\.weight is 1000x1024 and must be 10x1024 for loss3\.classifier\.weight;"
    ):
        il.load_weights(ten, theirs)
    del theirs["fc.weight"]
    with pytest.raises(WeightsError, match=r"missing: fc\.weight for loss3\.classifier\.weight$"):
        il.load_weights(ten, theirs)


def test_a_long_list_is_shortened(network: nn.Module) -> None:
    weights = {f"layer{i}": torch.ones(1) for i in range(1_000)}
    refused(network, weights, r"layer5, and 994 more; missing: ")


def test_counters_of_batches_may_be_missing() -> None:
    wanted = il.build("googlenet@torchvision", (1, 3, 64, 64), width=0.125, mode="inference")
    weights = {n: t for n, t in wanted.state_dict().items() if not n.endswith("num_batches_tracked")}
    with torch.device("meta"):
        network = il.build("googlenet@torchvision", (1, 3, 64, 64), width=0.125, mode="inference")
    il.load_weights(network, weights)
    assert network.get_buffer("conv1.7x7_s2.bn.num_batches_tracked").item() == 0


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


def test_no_code_in_a_file_is_run(network: nn.Module, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    torch.save({"C1.weight": Hostile(mark)}, tmp_path / "w.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Hostile(mark)))
    for name in ("w.pt", "raw.pt"):
        with pytest.raises(WeightsError, match=r"holds no tensors|none of its \d+ tensors matches") as caught:
            il.load_weights(network, tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_a_checkpoint_with_other_objects_is_loaded(tmp_path: Path) -> None:
    """Only its tensors are read: its arguments are no code that is run."""
    wanted = lenet()
    saved = {"state_dict": wanted.state_dict(), "args": argparse.Namespace(lr=0.1), "path": Path("x")}
    torch.save(saved, tmp_path / "model_best.pth.tar")
    network = lenet()
    assert il.load_weights(network, tmp_path / "model_best.pth.tar") == "this network's own"
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), wanted.parameters(), strict=True))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_checkpoint_of_another_framework_is_loaded(tmp_path: Path, device: str) -> None:
    wanted = il.build("googlenet@slim", width=0.125, classes=5, mode="inference")
    variables = {}
    for name, tensor in wanted.state_dict().items():
        layer, _, role = name.rpartition(".")
        if role == "num_batches_tracked":
            continue
        bn = layer.endswith(".bn")
        layer = layer.removesuffix(".bn")
        roles = {"bias": "BatchNorm/beta" if bn else "biases", "running_mean": "BatchNorm/moving_mean"}
        roles |= {"weight": "weights", "running_var": "BatchNorm/moving_variance"}
        array = tensor.numpy().transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor.numpy()
        variables[f"InceptionV1/{slim_layer('googlenet@slim', layer.replace('.', '/'))}/{roles[role]}"] = array
    path = tmp_path / "inception_v1.ckpt"
    path.write_bytes(v1({**variables, "global_step": np.array(1)}))
    with torch.device(device):
        network = il.build("googlenet@slim", width=0.125, classes=5, mode="inference")
    assert il.load_weights(network, path) == "tensorflow V1"
    image = torch.rand(1, 3, 224, 224)
    assert torch.equal(network.eval()(image), wanted.eval()(image))
    variables.popitem()
    path.write_bytes(v1(variables))
    with pytest.raises(WeightsError, match="do not match the network; missing: "):
        il.load_weights(network, path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WeightsError, match="is a Git LFS pointer"):
        il.load_weights(network, path)


def test_other_files_are_refused_in_one_line(network: nn.Module, tmp_path: Path) -> None:
    save_file(lenet().state_dict(), tmp_path / "whole.safetensors")
    cut = (tmp_path / "whole.safetensors").read_bytes()[:2000]
    torch.save([1, 2, 3], tmp_path / "list.pt")
    for name, data in {
        "cut.safetensors": cut,
        "empty.pt": b"",
        "empty.safetensors": b"",
        "text.pth": b"hello",
        "list.pt": (tmp_path / "list.pt").read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(
            WeightsError,
            match=r"is not a file of weights|does not hold tensors by name|is empty|not a file of torch.save",
        ) as caught:
            il.load_weights(network, tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="No such file"):
        il.load_weights(network, tmp_path / "absent.pt")
    with pytest.raises(WeightsError, match="No such file"):
        il.load_weights(network, tmp_path / "absent.safetensors")


class Tied(nn.Module):
    """Two names of one parameter, a frozen one, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)
        self.last.weight = self.first.weight
        self.first.bias.requires_grad_(False)
        self.norm = nn.BatchNorm1d(4)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("left_out", ["", "first.weight", "last.weight", "norm.num_batches_tracked"])
def test_tied_tensors_stay_one_and_dtypes_stay_the_modules(device: str, left_out: str) -> None:
    state = {name: tensor.double() for name, tensor in Tied().state_dict().items() if name != left_out}
    module = Tied().to(device)
    module.last.weight = module.first.weight
    load_state(module, state)
    assert module.first.weight is module.last.weight
    assert [each.requires_grad for each in module.parameters()] == [True, False, True, True, True]
    assert {each.dtype for each in module.parameters()} == {torch.float32}
    assert torch.equal(module.last.bias.double(), state["last.bias"])
    assert (
        module.last.weight.tolist()
        == state["first.weight" if left_out != "first.weight" else "last.weight"].float().tolist()
    )
