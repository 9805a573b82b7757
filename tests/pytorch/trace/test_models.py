"""Networks of torchvision, timm and transformers, against other counters and their own shapes."""

import importlib
import sys
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inception_lens.analyses.analysis import analyze
from inception_lens.benchmarks.ports import libraries
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace.forward_pass import trace

IMAGE = (1, 3, 224, 224)
WORDS = TensorType((2, 64), "int64")

TORCHVISION = {  # MACs at 224, each as torchvision 0.28's metadata has it where it counts the same, in units of 10^9
    "googlenet": 1.498, "resnet50": 4.089, "vit_b_16": 17.564, "densenet121": 2.834, "mobilenet_v3_small": 0.057,
    "efficientnet_b0": 0.386, "swin_t": 4.491, "convnext_tiny": 4.456, "shufflenet_v2_x1_0": 0.145,
    "squeezenet1_1": 0.349, "regnet_y_400mf": 0.402,
}  # fmt: skip
TIMM = ("inception_v4", "inception_resnet_v2", "xception41", "mixer_s16_224", "coat_tiny")


def other_counts(module: nn.Module, *args: torch.Tensor, **kwargs: torch.Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*args, **kwargs)
    return int(counter.get_total_flops()) // 2


def on_meta(name: str) -> nn.Module:
    """A model of torchvision without weights."""
    settings = {"init_weights": False} if name == "googlenet" else {}
    model: nn.Module = libraries()["torchvision"].models.get_model(name, **settings)
    return model.to("meta").eval()


@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision(name: str) -> None:
    model = on_meta(name)
    graph = trace(model, IMAGE)
    totals = analyze(graph).totals
    assert totals.exact
    assert totals.macs == other_counts(model, torch.empty(IMAGE, device="meta"))
    assert totals.macs / 1e9 == pytest.approx(TORCHVISION[name], abs=6e-4)
    assert totals.params == sum(parameter.numel() for parameter in model.parameters())
    assert trace(model, IMAGE, shortcuts=False) == graph


@pytest.mark.parametrize("name", TIMM)
def test_networks_of_timm(name: str) -> None:
    with torch.device("meta"):
        model = libraries()["timm"].create_model(name).eval()
    shape = (1, *model.pretrained_cfg["input_size"])
    totals = analyze(trace(model, shape)).totals
    assert totals.exact
    assert totals.macs == other_counts(model, torch.empty(shape, device="meta"))


def test_exact_counts_that_public_tools_miss() -> None:
    # torchvision 0.28 at 224, heads declared and not run; a training forward runs them
    model = libraries()["torchvision"].models.googlenet(init_weights=False, aux_logits=True).to("meta").eval()
    totals = analyze(trace(model, IMAGE)).totals
    assert (totals.macs, totals.params, totals.params_used) == (1_498_376_192, 13_004_888, 6_624_904)
    assert analyze(trace(model, IMAGE, mode="training")).totals.macs == 1_506_748_416
    assert not model.training


def imported() -> Any:
    """The package transformers, which imports torchvision."""
    libraries()
    return importlib.import_module("transformers")


def language_models() -> dict[str, Any]:
    transformers = imported()
    small = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "vocab_size": 1000}
    return {
        "bert": lambda: transformers.BertModel(transformers.BertConfig(num_attention_heads=4, **small)),
        "llama": lambda: transformers.LlamaForCausalLM(
            transformers.LlamaConfig(num_attention_heads=8, num_key_value_heads=2, **small)
        ),
        "gpt2": lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=2, n_embd=128, n_head=4)),
    }


@pytest.mark.parametrize("name", ["bert", "llama", "gpt2"])
def test_language_models_of_transformers(name: str) -> None:
    with torch.device("meta"):
        model = language_models()[name]().eval()
        tokens = torch.zeros(WORDS.shape, dtype=torch.int64)
    graph = trace(model, {"input_ids": WORDS})
    totals = analyze(graph).totals
    assert totals.exact
    assert totals.macs == other_counts(model, input_ids=tokens)
    assert totals.params == sum(parameter.numel() for parameter in model.parameters())
    assert analyze(trace(model, {"input_ids": WORDS}, shortcuts=False)).totals == totals


def test_a_sequence_of_the_maximum_length() -> None:
    transformers = imported()
    config = transformers.BertConfig(
        hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64
    )
    model = transformers.BertModel(config).eval()
    assert analyze(trace(model, {"input_ids": WORDS})).totals.exact


def test_seventy_billion_parameters_need_no_memory() -> None:
    resource = pytest.importorskip("resource")
    transformers = imported()
    config = transformers.LlamaConfig(
        hidden_size=8192,
        intermediate_size=28_672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        vocab_size=32_000,
    )
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(config).eval()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    totals = analyze(trace(model, {"input_ids": TensorType((1, 2048), "int64")})).totals
    assert totals.params == 68_976_648_192
    # each layer: q, k, v and output projections, three of the MLP, and the attention; then the head
    layer = 2048 * (8192 * 8192 * 2 + 8192 * 1024 * 2 + 3 * 8192 * 28_672) + 64 * 2048 * 2048 * 2 * 128
    assert totals.macs == 80 * layer + 2048 * 8192 * 32_000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == "darwin" else 1024) < 500e6
