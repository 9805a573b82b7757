"""A config written as TOML loads back equal, with comments that describe its keys."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from inception_lens.architectures.blocks import ACTIVATIONS
from inception_lens.architectures.catalogue import entries
from inception_lens.architectures.googlenet import LRN, PAPER, AuxHead, GoogLeNet, Stem
from inception_lens.architectures.network import BatchNormConfig
from inception_lens.architectures.notation import LEGEND
from inception_lens.errors import UnknownModelError
from inception_lens.readers.config import override, read_config
from inception_lens.writers.toml import to_toml

ENTRIES = {entry.name: entry for entry in entries()}


def read_back(config: GoogLeNet, folder: Path) -> object:
    path = folder / "net.toml"
    path.write_text(to_toml(config, "googlenet"), encoding="utf-8")
    return read_config(str(path))[0]


@pytest.mark.parametrize("name", ENTRIES)
def test_every_network_of_the_catalogue_loads_back_equal(tmp_path: Path, name: str) -> None:
    config = ENTRIES[name].config
    path = tmp_path / "net.toml"
    path.write_text(to_toml(config, name), encoding="utf-8")
    assert read_config(str(path))[0] == config
    assert read_config(str(path))[0].graph("training") == config.graph("training")


@pytest.mark.parametrize(
    "config",
    [
        PAPER.replace(classes=7, width=0.1, input=(1, 32, 48)),
        PAPER.replace(aux=(), reduce=(), dropout=0.0, bias=False),
        PAPER.replace(lrn=LRN(size=3, alpha=1e-05, beta=0.5, k=2.0, position="after_pool")),
        PAPER.replace(norm="batch", batch_norm=BatchNormConfig(eps=1e-12, momentum=0.0, scale=False)),
        PAPER.replace(stem=Stem(kind="conv-conv-pool", conv2_reduce="none"), aux_head=AuxHead(pool="adaptive")),
        PAPER.replace(activation="none", final_pool="7x7/7", classifier="conv", softmax=False),
        override(PAPER, {"pool_proj": "none", "inception_3a/5x5_reduce": "none"}),
        override(PAPER, {"inception_3a": "none", "inception_5b": "none"}),
    ],
    ids=["sizes", "empty", "lrn", "batch", "stem", "ends", "none", "modules"],
)
def test_a_changed_config_loads_back_equal(tmp_path: Path, config: GoogLeNet) -> None:
    assert read_back(config, tmp_path) == config


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_loads_back(tmp_path: Path, activation: str) -> None:
    config = PAPER.replace(activation=activation)
    assert read_back(config, tmp_path) == config


def test_every_key_is_there() -> None:
    given = tomllib.loads(to_toml(PAPER, "googlenet"))
    assert set(given) == {"base", *(field.encode_name for field in msgspec.structs.fields(PAPER))}
    assert given["modules"]["inception_3a"] == {
        "1x1": 64, "3x3_reduce": 96, "3x3": 128, "5x5_reduce": 16, "5x5": 32, "pool_proj": 32,
    }  # fmt: skip


def test_a_key_has_a_comment_that_describes_it() -> None:
    (line,) = (line for line in to_toml(PAPER, "googlenet").splitlines() if line.startswith("classes ="))
    assert line == "classes = 1000 # outputs of the last layer"


def test_a_module_is_one_line_as_in_the_paper_s_table() -> None:
    lines = to_toml(PAPER, "googlenet").splitlines()
    assert len([line for line in lines if line.startswith("inception_")]) == len(PAPER.modules)


def test_a_table_of_blocks_explains_the_notation() -> None:
    text = to_toml(ENTRIES["inception_v3"].config, "inception_v3")
    assert all(f"# {line}\n" in text for line in LEGEND.splitlines())
    assert LEGEND.splitlines()[0] not in to_toml(PAPER, "googlenet")


def test_an_unknown_base_is_refused() -> None:
    with pytest.raises(UnknownModelError, match="`nonet` is not a network of the catalogue"):
        to_toml(PAPER, "nonet")
