"""The paths of nodes in a tree of modules."""

import pytest
from torch import nn

from inception_lens.errors import GraphError
from inception_lens.writers.pytorch.module_paths import MAX_DEPTH, RESERVED, module_paths

MODULES = (
    nn.Module(), nn.ModuleDict(), nn.Sequential(), nn.Conv2d(1, 1, 1), nn.ConvTranspose2d(1, 1, 1), nn.Linear(1, 1),
    nn.BatchNorm2d(1), nn.MaxPool2d(1), nn.AvgPool2d(1), nn.AdaptiveAvgPool2d(1), nn.LocalResponseNorm(1), nn.ReLU(),
    nn.LeakyReLU(), nn.ELU(), nn.GELU(), nn.Dropout(), nn.Softmax(), nn.Flatten(),
)  # fmt: skip


def test_reserved_names_are_those_of_pytorch_s_modules() -> None:
    has = {name for module in MODULES for name in dir(module) if not name.startswith("_")}
    # transformers, if another test has imported it, adds an attribute to modules
    assert has - {"smart_apply"} <= RESERVED


def test_names_become_module_paths() -> None:
    assert module_paths(["a/5x5_reduce", "a/5x5_reduce/bn", "conv4-1024"]) == {
        "a/5x5_reduce": ("a", "5x5_reduce"),
        "a/5x5_reduce/bn": ("a", "5x5_reduce", "bn"),
        "conv4-1024": ("conv4-1024",),
    }


def test_two_names_never_share_a_path() -> None:
    names = ["a.b", "a b", "a_b", "a/b", "train", "train_", "", "/", "__x", "x/y.z/1", "x/y_z/1"]
    places = module_paths(names)
    assert len(set(places.values())) == len(names)
    assert all(
        part and "." not in part and not hasattr(nn.ModuleDict(), part) for path in places.values() for part in path
    )


def test_names_that_are_nested_too_deeply_are_refused() -> None:
    assert len(module_paths(["/".join("a" * MAX_DEPTH)]).popitem()[1]) == MAX_DEPTH
    with pytest.raises(GraphError, match="nested in 60 modules; PyTorch allows at most 59"):
        module_paths(["/".join("a" * (MAX_DEPTH + 1))])
