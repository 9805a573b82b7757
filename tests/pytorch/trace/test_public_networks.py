"""Parameters and MACs of public networks against totals that are written down here.

Parameters: torchvision's are those of its metadata; timm's and transformers' round to those of their model cards. MACs
are half of what PyTorch's FlopCounterMode counts with the attention of `SDPBackend.MATH`; of the mixtures of experts,
whose grouped products it does not count, they follow from the definition next to them. Modules are on the meta device.
"""

import importlib
from typing import Any

import pytest
import torch
from torch import nn

from inception_lens.analyses.analysis import analyze
from inception_lens.benchmarks.ports import libraries
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace.forward_pass import trace

IMAGE = (1, 3, 224, 224)

TORCHVISION: dict[str, tuple[tuple[int, ...], int, int]] = {
    "alexnet": (IMAGE, 61_100_840, 714_188_480),
    "convnext_tiny": (IMAGE, 28_589_128, 4_455_531_264),
    "densenet121": (IMAGE, 7_978_856, 2_834_161_664),
    "efficientnet_b0": (IMAGE, 5_288_548, 385_814_752),
    "efficientnet_v2_s": (IMAGE, 21_458_488, 2_849_895_872),
    "maxvit_t": (IMAGE, 30_919_624, 5_558_046_720),
    "mnasnet1_0": (IMAGE, 4_383_312, 314_415_872),
    "mobilenet_v2": (IMAGE, 3_504_872, 300_774_272),
    "mobilenet_v3_large": (IMAGE, 5_483_032, 216_589_760),
    "regnet_y_400mf": (IMAGE, 4_344_144, 401_842_848),
    "resnet50": (IMAGE, 25_557_032, 4_089_184_256),
    "resnext50_32x4d": (IMAGE, 25_028_904, 4_230_479_872),
    "swin_t": (IMAGE, 28_288_354, 4_490_566_656),
    "swin_v2_t": (IMAGE, 28_351_570, 4_938_464_256),
    "vgg16": (IMAGE, 138_357_544, 15_470_264_320),
    "vit_b_16": (IMAGE, 86_567_656, 17_563_828_224),
    "deeplabv3_resnet50": (IMAGE, 39_638_869, 31_310_548_992),
    "fcn_resnet50": (IMAGE, 32_957_013, 26_484_498_432),
    "lraspp_mobilenet_v3_large": (IMAGE, 3_221_538, 379_281_312),
    "r3d_18": ((1, 3, 8, 112, 112), 33_371_472, 20_348_379_136),
    "mvit_v2_s": ((1, 3, 16, 224, 224), 34_537_744, 64_223_815_872),
    "swin3d_t": ((1, 3, 8, 112, 112), 28_158_070, 5_138_092_032),
}
"""By name: shape of the input, parameters, MACs."""

TIMM: dict[str, tuple[int, int, int]] = {
    "beit_base_patch16_224": (224, 86_530_984, 17_563_828_224),
    "botnet26t_256": (256, 12_488_672, 3_297_394_688),
    "coatnet_0_rw_224": (224, 27_435_562, 4_406_300_928),
    "convmixer_768_32": (224, 21_110_248, 20_676_851_712),
    "davit_tiny": (224, 28_360_168, 4_521_801_216),
    "edgenext_xx_small": (256, 1_327_216, 257_905_088),
    "eva02_tiny_patch14_224": (224, 5_502_144, 1_697_518_080),
    "hiera_tiny_224": (224, 27_910_216, 4_900_830_720),
    "levit_128": (224, 9_213_936, 405_321_728),
    "mixer_s16_224": (224, 18_528_264, 3_776_958_464),
    "nfnet_f0": (192, 71_489_272, 6_977_003_520),
    "tresnet_m": (224, 31_389_032, 5_736_545_792),  # its blur kernels are buffers, and not learned
    "volo_d1_224": (224, 26_632_040, 6_918_741_504),
    "xcit_nano_12_p16_224": (224, 3_053_224, 550_952_448),
}
"""By name: height and width of the image, parameters, MACs."""

TOKENS = 128


def experts(layers: int, width: int, inner: int, chosen: int) -> int:
    """MACs of gated experts: three matrices of each chosen expert multiply each token."""
    return layers * TOKENS * chosen * 3 * width * inner


WORDS = {"input_ids": TensorType((1, TOKENS), "int64")}
PAIR = {**WORDS, "decoder_input_ids": TensorType((1, 16), "int64")}
PIXELS = {"pixel_values": TensorType(IMAGE)}

TRANSFORMERS: dict[str, tuple[str, dict[str, TensorType], int, int]] = {
    "Bert": ("BertModel", WORDS, 109_482_240, 11_174_215_680),
    "DistilBert": ("DistilBertModel", WORDS, 66_362_880, 5_586_812_928),
    "GPT2": ("GPT2LMHeadModel", WORDS, 124_439_808, 16_114_089_984),
    "T5": ("T5Model", PAIR, 60_506_624, 3_285_712_896),
    "Llama": ("LlamaForCausalLM", WORDS, 6_738_415_616, 850_000_871_424),
    "Mamba": ("MambaForCausalLM", WORDS, 159_308_544, 20_369_965_056),
    "CLIP": ("CLIPModel", {"input_ids": TensorType((1, 77), "int64"), **PIXELS}, 151_277_313, 7_388_582_400),
    "Whisper": (
        "WhisperModel",
        {"input_features": TensorType((1, 80, 3000)), "decoder_input_ids": TensorType((1, 16), "int64")},
        37_760_640,
        20_444_971_008,
    ),
    # 32 layers: projections, 8 router outputs, products of attention; then the head
    "Mixtral": (
        "MixtralForCausalLM", WORDS, 46_702_792_704,
        experts(32, 4096, 14_336, 2) + TOKENS * 4096 * 32_000
        + 32 * TOKENS * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 4096 * 8 + 2 * TOKENS * 4096),
    ),
    # 24 layers: projections, 60 router outputs, a shared expert of 5,632 with its gate, products of attention
    "Qwen2Moe": (
        "Qwen2MoeForCausalLM", WORDS, 14_315_784_192,
        experts(24, 2048, 1408, 4) + TOKENS * 2048 * 151_936
        + 24 * TOKENS * (4 * 2048 * 2048 + 2048 * 60 + 3 * 2048 * 5632 + 2048 + 2 * TOKENS * 2048),
    ),
    "DeepseekV3": ("DeepseekV3ForCausalLM", WORDS, 671_026_404_352, 4_728_884_822_016),
}  # fmt: skip
"""By configuration, with its default values: model, inputs, parameters, MACs."""


def check(model: nn.Module, inputs: Any, params: int, macs: int) -> None:
    assert sum(parameter.numel() for parameter in model.parameters()) == params
    totals = analyze(trace(model.eval(), inputs)).totals
    assert totals.exact
    assert (totals.params, totals.macs) == (params, macs)


@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision(name: str) -> None:
    models = libraries()["torchvision"].models
    settings = {"weights_backbone": None} if name.startswith(("deeplab", "fcn", "lraspp")) else {}
    shape, params, macs = TORCHVISION[name]
    with torch.device("cpu" if name.startswith("regnet") else "meta"):  # whose initialisation needs values
        model = models.get_model(name, **settings)
    check(model, shape, params, macs)
    if settings:
        return  # the published weights have an auxiliary head
    published = next(iter(models.get_model_weights(name))).meta
    assert published["num_params"] == params
    if shape == IMAGE and "_v2_" not in name:  # published for images of another size
        assert macs / 1e9 == pytest.approx(published["_ops"], abs=2e-3)


@pytest.mark.parametrize("name", TIMM)
def test_networks_of_timm(name: str) -> None:
    size, params, macs = TIMM[name]
    with torch.device("meta"):
        model = libraries()["timm"].create_model(name)
    check(model, (1, 3, size, size), params, macs)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_networks_of_transformers(name: str) -> None:
    libraries()
    transformers = importlib.import_module("transformers")
    kind, inputs, params, macs = TRANSFORMERS[name]
    with torch.device("meta"):
        model = getattr(transformers, kind)(getattr(transformers, f"{name}Config")())
    check(model, inputs, params, macs)


SMALL = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 200,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "settings", "params", "macs"),
    [
        ("DebertaV2", {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
                       "position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": True}, 82_048, 3_145_728),
        ("Longformer", {"attention_window": 8, "max_position_embeddings": 100}, 115_520, 2_207_744),
    ],
)  # fmt: skip
def test_networks_that_read_values(name: str, settings: dict[str, Any], params: int, macs: int) -> None:
    libraries()
    transformers = importlib.import_module("transformers")
    model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**SMALL, **settings))
    check(model, {"input_ids": torch.arange(32)[None]}, params, macs)
