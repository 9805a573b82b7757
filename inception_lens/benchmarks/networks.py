"""The networks of the benchmark as PyTorch modules, with their exact MACs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from inception_lens.benchmarks.graphs import LENGTHS, chain, chain_name
from inception_lens.benchmarks.ports import libraries
from inception_lens.errors import require

if TYPE_CHECKING:
    from torch import nn


class BenchmarkNetwork(NamedTuple):
    """A network, its inputs and its exact MACs."""

    make: Callable[[], nn.Module]
    """Builds the module on the default device."""
    inputs: Mapping[str, tuple[int, ...]]
    """Shapes by the argument names of the forward pass; names that end in `input_ids` hold integers."""
    macs: int
    """Exact MACs of one sample."""
    weights: bool = True
    """Whether its weights fit into memory, for counters that need them."""


def _torchvision(name: str, **settings: object) -> Callable[[], nn.Module]:
    return lambda: libraries()["torchvision"].models.get_model(name, **settings)


def _timm(name: str) -> Callable[[], nn.Module]:
    return lambda: libraries()["timm"].create_model(name)


def _transformers(kind: str, **settings: object) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        libraries()
        package = require("transformers", extra="bench")
        config = f"{kind}Config"
        model = {"Bert": "BertModel", "Llama": "LlamaForCausalLM", "T5": "T5ForConditionalGeneration"}[kind]
        module: nn.Module = getattr(package, model)(getattr(package, config)(**settings))
        return module

    return make


def _chain(length: int) -> BenchmarkNetwork:
    def make() -> nn.Module:
        from inception_lens.pytorch.build.network import build

        libraries()  # some counters import torchvision
        return build(chain(length), initialisation="pytorch")

    image = {"x": (1, 256, 28, 28)}
    return BenchmarkNetwork(make, image, length * MODULE_MACS, weights=length <= 1000)


MODULE_MACS = 28 * 28 * (256 * (64 + 96 + 16 + 32) + 96 * 128 * 9 + 16 * 32 * 25)
"""MACs of one Inception module of the chains: four 1x1 convolutions, a 3x3 and a 5x5."""

LAYER_7B = 2048 * (4 * 4096 * 4096 + 3 * 4096 * 11_008) + 2 * 2048 * 2048 * 4096
"""MACs of one layer of the 7B configuration: four projections, three of the MLP, and attention over 2,048 tokens."""

LAYER_VIT_L = 197 * (4 * 1024 * 1024 + 2 * 1024 * 4096) + 2 * 197 * 197 * 1024

LAYER_BERT = 128 * (4 * 768 * 768 + 2 * 768 * 3072) + 2 * 128 * 128 * 768


def _swin_t() -> int:
    """Windows of 7x7 tokens in four stages; each stage after the first begins with a linear layer on 2x2 tokens."""
    stages = [(96, 56, 2), (192, 28, 2), (384, 14, 6), (768, 7, 2)]
    blocks = sum(n * side**2 * (12 * c * c + 2 * 49 * c) for c, side, n in stages)
    merges = sum(side**2 * 2 * c * c for c, side, _ in stages[1:])  # 4 x c / 2 features of each token to c
    return 56 * 56 * 96 * 3 * 16 + blocks + merges + 768 * 1000


def _convnext_large() -> int:
    """A depthwise 7x7 and two linear layers in each block; each stage after the first begins with a 2x2 convolution."""
    stages = [(192, 56, 3), (384, 28, 3), (768, 14, 27), (1536, 7, 3)]
    blocks = sum(n * side**2 * (49 * c + 8 * c * c) for c, side, n in stages)
    halving = sum(side**2 * 2 * c * c for c, side, _ in stages[1:])
    return 56 * 56 * 192 * 3 * 16 + blocks + halving + 1536 * 1000


def _t5_small(tokens: int) -> int:
    """Six layers of the encoder, six of the decoder, which also attends to the encoder's output, and the vocabulary."""
    projections, mlp, attention = 4 * 512 * 512 * tokens, 2 * 512 * 2048 * tokens, 2 * tokens * tokens * 512
    return 6 * (3 * (projections + attention) + 2 * mlp) + tokens * 512 * 32_128


IMAGE, LARGE = {"x": (1, 3, 224, 224)}, {"x": (1, 3, 299, 299)}

NETWORKS: dict[str, BenchmarkNetwork] = {
    # torchvision 0.28 and timm 1.0.31; tests of the catalogue have the same counts
    "GoogLeNet": BenchmarkNetwork(
        _torchvision("googlenet", init_weights=False, aux_logits=False), IMAGE, 1_498_376_192
    ),
    "Inception v3": BenchmarkNetwork(
        _torchvision("inception_v3", init_weights=False, aux_logits=False), LARGE, 5_713_216_096
    ),
    "Inception v4": BenchmarkNetwork(_timm("inception_v4"), LARGE, 12_253_974_624),
    "Inception-ResNet-v2": BenchmarkNetwork(_timm("inception_resnet_v2"), LARGE, 13_155_794_016),
    "ResNet-152": BenchmarkNetwork(_torchvision("resnet152"), IMAGE, 11_513_626_624),
    "ViT-L/16": BenchmarkNetwork(_torchvision("vit_l_16"), IMAGE, 24 * LAYER_VIT_L + 196 * 768 * 1024 + 1_024_000),
    "BERT base": BenchmarkNetwork(_transformers("Bert"), {"input_ids": (1, 128)}, 12 * LAYER_BERT + 768 * 768),
    "Llama-style 7B": BenchmarkNetwork(
        _transformers("Llama"), {"input_ids": (1, 2048)}, 32 * LAYER_7B + 2048 * 4096 * 32_000, weights=False
    ),
    "swin_t": BenchmarkNetwork(_torchvision("swin_t"), IMAGE, _swin_t()),
    "ConvNeXt-L": BenchmarkNetwork(_torchvision("convnext_large"), IMAGE, _convnext_large()),
    "T5-small": BenchmarkNetwork(
        _transformers("T5"), {"input_ids": (1, 128), "decoder_input_ids": (1, 128)}, _t5_small(128)
    ),
    **{chain_name(length): _chain(length) for length in LENGTHS},
}
