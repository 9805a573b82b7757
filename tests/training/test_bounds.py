"""The bounds of training speed, and the devices that they are known for."""

import pytest
import torch

from inception_lens.analyses.machines import Machine, machine
from inception_lens.graph import Graph, Input, Output, Writer
from inception_lens.ops import Conv2d, ReLU, TensorType
from inception_lens.training.bounds import BATCH, bounds, gpu, machine_of


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("NVIDIA L4", "l4"),
        ("Tesla T4", "t4"),
        ("NVIDIA T4", "t4"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("A100-SXM-80GB", "a100"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("Tesla V100-SXM2-16GB", "v100"),
        ("Tesla V100-SXM2-32GB", "v100"),
        ("Tesla K40c", "k40"),
        ("Tesla K40m", "k40"),
    ],
)
def test_a_known_device_is_found_by_its_whole_name(name: str, key: str) -> None:
    assert gpu(name, "float32") == machine(f"{key}:float32")


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA L40",
        "NVIDIA L40S",
        "NVIDIA T400",
        "NVIDIA T400 4GB",
        "NVIDIA T4G",
        "NVIDIA A10",
        "NVIDIA A100-SXM4-40GB",
        "NVIDIA A100-PCIE-40GB",
        "NVIDIA A100 80GB PCIe",
        "NVIDIA A100-SXM4-80GB MIG 1g.10gb",
        "NVIDIA H100 PCIe",
        "NVIDIA H100 NVL",
        "NVIDIA H200 NVL",
        "NVIDIA GH200 480GB",
        "NVIDIA B200",
        "Tesla V100-PCIE-16GB",
        "Tesla V100-SXM3-32GB",
        "Tesla K80",
        "NVIDIA GeForce RTX 4090",
        "NVIDIA RTX 4000 Ada Generation",
        "AMD Instinct MI300X",
        "",
    ],
)
def test_the_speed_of_any_other_device_is_unknown(name: str) -> None:
    assert gpu(name, "float32") is None


def test_a_dtype_without_a_published_peak_is_unknown() -> None:
    assert gpu("Tesla T4", "bfloat16") is None
    assert gpu("NVIDIA L4", "bfloat16") == machine("l4:bfloat16")


def test_a_cpu_is_measured() -> None:
    found = machine_of(torch.device("cpu"), False)
    assert found is not None
    assert found.dtype == "float32"
    assert min(found.flops_per_second, found.bytes_per_second) > 1e7


def one_convolution(*, relu: bool) -> Graph:
    net = Writer([Input("x", TensorType((1, 2, 4, 4)))])
    x = net.add("conv", Conv2d(3, (1, 1), bias=False), "x")
    return net.graph([Output(net.add("relu", ReLU(), x) if relu else x)], "training")


def test_the_bounds_are_those_of_the_roofline() -> None:
    hardware = Machine("", "float32", 1e6, 1e3, "")
    found = bounds(one_convolution(relu=True), hardware)
    macs = 4 * 4 * 2 * 3  # of an image; the gradient of the weights takes as many, and the input needs no gradient
    assert found.compute == pytest.approx(1e6 / (2 * 2 * macs))
    inputs, weights, outputs = 4 * 4 * 4 * 2, 4 * 2 * 3, 4 * 4 * 4 * 3  # bytes
    assert found.memory_fused == pytest.approx(1e3 / (3 * (inputs + outputs + weights / BATCH)))
    assert found.memory == pytest.approx(1e3 / (3 * (inputs + 3 * outputs + weights / BATCH)))
    assert bounds(one_convolution(relu=False), hardware).memory == pytest.approx(found.memory_fused)
