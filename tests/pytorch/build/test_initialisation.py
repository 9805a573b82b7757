"""Initial weights have the distribution of each port."""

from math import sqrt

import pytest
import torch
from torch import nn

import inception_lens as il
from inception_lens.architectures.catalogue import names
from inception_lens.pytorch.build.initialisation import SCHEMES


def built(name: str, initialisation: str | None = None) -> nn.Module:
    torch.manual_seed(0)
    size = {"lenet": (1, 1, 32, 32), "lenet@caffe": (1, 1, 28, 28)}.get(name)
    return il.build(name, size, initialisation=initialisation)


def deviation(module: nn.Module, path: str) -> float:
    return module.get_parameter(f"{path}.weight").std().item()


def test_every_scheme_belongs_to_a_network_of_the_catalogue() -> None:
    assert set(SCHEMES) <= set(names())


def test_caffe_uses_xavier_with_biases_of_one_fifth() -> None:
    module = built("googlenet")
    weight = module.get_parameter("inception_3a.3x3.weight")
    bound = sqrt(3 / (96 * 9))
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / sqrt(3), rel=0.02)
    assert module.get_parameter("inception_3a.3x3.bias").eq(0.2).all()
    assert module.get_parameter("aux1.fc.bias").eq(0.2).all()
    assert module.get_parameter("aux1.classifier.bias").eq(0).all()
    assert module.get_parameter("loss3.classifier.bias").eq(0).all()


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("googlenet@torchvision", "inception_4a.3x3", 0.01),
        ("googlenet@torchvision", "loss3.classifier", 0.01),
        ("googlenet@slim", "inception_4a.3x3", 0.01 * 0.8796),  # of a normal that is cut at two deviations
        ("googlenet@slim", "loss3.classifier", sqrt(1.3 * 2 / 1024) * 0.8796),
        ("inception_v3@torchvision", "Mixed_5b.Branch_1.Conv2d_0b_5x5", 0.1),
        ("inception_v3@torchvision", "AuxLogits.Conv2d_2a_5x5", 0.1),
        ("inception_v3@torchvision", "AuxLogits.fc", 0.001),
        ("inception_v3", "AuxLogits.Conv2d_2a_5x5", 0.01 * 0.8796),
        ("inception_v2", "Mixed_3b.Branch_1.Conv2d_0a_1x1", 0.09 * 0.8796),
        ("inception_v2", "Mixed_3b.Branch_1.Conv2d_0b_3x3", sqrt(1.3 * 2 / (64 * 9)) * 0.8796),
        ("resnet18", "res3_1.conv2", sqrt(2 / (256 * 9))),
        ("vgg13", "conv2_1", sqrt(2 / (128 * 9))),
        ("vgg13", "fc2", 0.01),
        ("vgg13@paddle", "conv2_1", sqrt(2 / (64 * 9))),
        ("vgg13@paddle", "fc2", sqrt(1 / 4096)),
        ("xception", "block5.SeparableConv2d_0b_3x3.pointwise", sqrt(2 / (728 + 728))),
        ("nin", "cccp3", 0.05),
        ("nin", "conv1", 0.01),
        ("lenet", "F6", 2.4 / 120 / sqrt(3)),
        ("alexnet", "fc2", 1 / sqrt(3 * 4096)),
    ],
)
def test_a_port_has_its_own_deviation(name: str, path: str, expected: float) -> None:
    assert deviation(built(name), path) == pytest.approx(expected, rel=0.03)


def test_a_config_is_initialised_as_the_network_that_it_varies() -> None:
    torch.manual_seed(0)
    module = il.build("googlenet@torchvision", (1, 3, 64, 64), classes=300)
    assert deviation(module, "inception_4a.3x3") == pytest.approx(0.01, rel=0.03)


def test_another_initialisation_can_be_requested() -> None:
    fan_in = 96 * 9
    assert deviation(built("googlenet", "pytorch"), "inception_3a.3x3") == pytest.approx(1 / sqrt(3 * fan_in), rel=0.03)
