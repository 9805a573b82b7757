"""Operators of onnxruntime: the types and values that it computes, parameters and MACs by their definitions."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import inception_lens as il
from inception_lens.errors import FormatError
from inception_lens.ops import Unknown
from tests.readers.onnx.onnx_cases import Case, check
from tests.readers.onnx.onnx_models import ints, kinds, model, node, read, weight

MICROSOFT = {"domain": "com.microsoft"}
TEXT = (2, 5, 8)
"""Two sequences of five vectors."""
SPLIT, JOINED = "Reshape Permute " * 3, " Permute Reshape"
PROJECTED = f"Linear Slice Slice Slice {SPLIT}"
QKV = [weight("w", 8, 24, value=0.1), numpy_helper.from_array(np.linspace(-1, 1, 24, dtype="f4"), "b")]
ATTENTION_MACS = 2 * 5 * 8 * 24 + 2 * 2 * 5 * 5 * 8
THREE = [node("Relu", "x", "q"), node("Abs", "x", "k"), node("Sin", "x", "v")]
SIZES = {"word": 9, "pos": 7, "seg": 2}
IDS = node("Cast", "x", "ids", to=6)


def int32(name: str, *numbers: object) -> object:
    return numpy_helper.from_array(np.array(numbers, "i4"), name)


def small(name: str, *shape: int) -> object:
    return numpy_helper.from_array(np.random.default_rng(2).random(shape, "f4") - 0.5, name)


CASES = {
    "Attention": Case(
        f"{PROJECTED}ScaledDotProductAttention{JOINED}", [node("Attention", "x w b", num_heads=2, **MICROSOFT)], QKV,
        x=TEXT, cost=(216, ATTENTION_MACS),
    ),
    "Attention, causal": Case(
        f"{PROJECTED}ScaledDotProductAttention{JOINED}",
        [node("Attention", "x w b", num_heads=4, unidirectional=1, **MICROSOFT)], QKV, x=TEXT,
        cost=(216, ATTENTION_MACS),
    ),
    "Attention, values of another width": Case(
        f"{PROJECTED}ScaledDotProductAttention{JOINED}",
        [node("Attention", "x w b", num_heads=2, qkv_hidden_sizes=[8, 8, 4], **MICROSOFT)],
        [small("w", 8, 20), small("b", 20)], x=TEXT, cost=(180, 2 * 5 * 160 + 2 * 25 * 8 + 2 * 25 * 4),
    ),
    "Attention, a mask of keys": Case(
        f"{PROJECTED}Reshape ScaledDotProductAttention{JOINED}",
        [node("Attention", "x w b m", num_heads=2, **MICROSOFT)], [*QKV, int32("m", [1] * 5, [1, 1, 1, 0, 0])], x=TEXT,
        cost=(216, ATTENTION_MACS), computed=False,
    ),
    "Attention, lengths": Case(
        f"{PROJECTED}Reshape ScaledDotProductAttention{JOINED}",
        [node("Attention", "x w b m", num_heads=2, **MICROSOFT)], [*QKV, int32("m", 5, 3)], x=TEXT,
        cost=(216, ATTENTION_MACS), computed=False,
    ),
    "Attention, an added mask": Case(
        f"{PROJECTED}ScaledDotProductAttention{JOINED}",
        [node("Attention", "x w b _ _ m", num_heads=2, **MICROSOFT)], [*QKV, weight("m", 2, 2, 5, 5, value=0)], x=TEXT,
        cost=(216, ATTENTION_MACS), computed=False,
    ),
    "Attention, a cache": Case(
        f"Linear Slice Slice Slice Select Select {SPLIT}Concat Concat ScaledDotProductAttention{JOINED} Stack",
        [node("Attention", "x w b _ p", "y z", num_heads=2, **MICROSOFT)], [*QKV, weight("p", 2, 2, 2, 3, 4, value=0)],
        x=TEXT, cost=(216, 2 * 5 * 192 + 2 * 2 * 5 * 8 * 8), computed=False,
    ),
    "QAttention": Case(
        f"quantize_linear {PROJECTED}ScaledDotProductAttention{JOINED}",
        [node("QuantizeLinear", "x s z", "q"), node("QAttention", "q w b s s _ z zi", num_heads=2, **MICROSOFT)],
        [
            numpy_helper.from_array(np.ones((8, 24), "i1"), "w"), QKV[1], weight("s", value=0.1),
            numpy_helper.from_array(np.array(0, "u1"), "z"), numpy_helper.from_array(np.array(0, "i1"), "zi"),
        ],
        x=TEXT, cost=(216, ATTENTION_MACS), weight_bytes=192 + 96, computed=False,
    ),
    "MultiHeadAttention": Case(
        f"ReLU abs sin {SPLIT}ScaledDotProductAttention{JOINED}",
        [*THREE, node("MultiHeadAttention", "q k v", num_heads=2, **MICROSOFT)], x=TEXT, cost=(0, 2 * 2 * 25 * 8),
    ),
    "MultiHeadAttention, a bias": Case(
        f"ReLU abs sin Slice Slice Slice add add add {SPLIT}ScaledDotProductAttention{JOINED}",
        [*THREE, node("MultiHeadAttention", "q k v b", num_heads=2, **MICROSOFT)], [QKV[1]], x=TEXT,
        cost=(24, 2 * 2 * 25 * 8),
    ),
    "MultiHeadAttention, masks": Case(
        f"ReLU abs sin {SPLIT}Reshape add ScaledDotProductAttention{JOINED}",
        [*THREE, node("MultiHeadAttention", "q k v _ m a", num_heads=2, **MICROSOFT)],
        [int32("m", [1] * 5, [1, 1, 1, 0, 0]), weight("a", 1, 2, 5, 5, value=0)], x=TEXT, cost=(0, 2 * 2 * 25 * 8),
        computed=False,
    ),
    "MultiHeadAttention, a cache": Case(
        f"ReLU abs sin {SPLIT}Concat Concat ScaledDotProductAttention{JOINED}",
        [*THREE, node("MultiHeadAttention", "q k v _ _ _ p p", "y k2 v2", num_heads=2, **MICROSOFT)],
        [weight("p", 2, 2, 3, 4, value=0)], x=TEXT, cost=(0, 2 * 2 * 5 * 8 * 8), computed=False,
    ),
    "MultiHeadAttention of keys and values that are split": Case(
        f"Reshape Permute {SPLIT[:16]}ScaledDotProductAttention{JOINED}",
        [
            node("Reshape", "x r", "s"), node("Transpose", "s", "t", perm=[0, 2, 1, 3]),
            node("MultiHeadAttention", "x t t", num_heads=2, **MICROSOFT),
        ],
        [ints("r", 2, 5, 2, 4)], x=TEXT, cost=(0, 2 * 2 * 25 * 8),
    ),
    "GroupQueryAttention": Case(
        f"Slice Slice {SPLIT}ScaledDotProductAttention{JOINED}",
        [
            node("Slice", "x a c d", "k"), node("Slice", "x c e d", "v"),
            node("GroupQueryAttention", "x k v _ _ l t", "y k2 v2", num_heads=4, kv_num_heads=2, **MICROSOFT),
        ],
        [ints("a", 0), ints("c", 16), ints("e", 32), ints("d", 2), int32("l", 4, 4), int32("t", 5)],
        x=(2, 5, 32), cost=(0, 2 * 2 * 25 * 32), computed=None,
    ),
    "GroupQueryAttention of one tensor, rotated": Case(
        f"Slice Slice Slice rotary_embedding rotary_embedding {SPLIT}ScaledDotProductAttention{JOINED}",
        [node("GroupQueryAttention", "x _ _ _ _ l t cos sin", "y k2 v2", num_heads=2, kv_num_heads=1, do_rotary=1,
              **MICROSOFT)],
        [int32("l", 4, 4), int32("t", 5), weight("cos", 9, 8), weight("sin", 9, 8)],
        x=(2, 5, 64), cost=(0, 2 * 2 * 25 * 32), computed=None,
    ),
    "GroupQueryAttention, a cache": Case(
        f"Slice Slice {SPLIT}Concat Concat ScaledDotProductAttention{JOINED}",
        [
            node("Slice", "x a c d", "k"), node("Slice", "x c e d", "v"),
            node("GroupQueryAttention", "x k v p p l t", "y k2 v2", num_heads=4, kv_num_heads=2, **MICROSOFT),
        ],
        [
            ints("a", 0), ints("c", 16), ints("e", 32), ints("d", 2), int32("l", 3, 3), int32("t", 4),
            weight("p", 2, 2, 3, 8, value=0),
        ],
        x=(2, 1, 32), cost=(0, 2 * 2 * 4 * 32), computed=None,
    ),
    "RotaryEmbedding": Case(
        "rotary_embedding", [node("RotaryEmbedding", "x i cos sin", num_heads=2, **MICROSOFT)],
        [ints("i", 0), weight("cos", 9, 8), weight("sin", 9, 8)], x=(2, 5, 32), cost=(0, 0), computed=None,
    ),
    "RotaryEmbedding of some features": Case(
        "rotary_embedding",
        [node("RotaryEmbedding", "x i cos sin", num_heads=2, rotary_embedding_dim=8, **MICROSOFT)],
        [ints("i", 0), weight("cos", 9, 4), weight("sin", 9, 4)], x=(2, 5, 32), cost=(0, 0), computed=None,
    ),
    "SkipLayerNormalization": Case(
        "ReLU Add LayerNorm", [node("Relu", "x", "r"), node("SkipLayerNormalization", "x r g b", **MICROSOFT)],
        [small("g", 8), small("b", 8)], x=TEXT, cost=(16, 0),
    ),
    "SkipLayerNormalization, a bias": Case(
        "ReLU Add add LayerNorm",
        [node("Relu", "x", "r"), node("SkipLayerNormalization", "x r g _ c", "y _ _ z", **MICROSOFT)],
        [small("g", 8), small("c", 8)], x=TEXT, cost=(16, 0),
    ),
    "SkipSimplifiedLayerNormalization": Case(
        "ReLU Add add RMSNorm",
        [node("Relu", "x", "r"), node("SkipSimplifiedLayerNormalization", "x r g c", **MICROSOFT)],
        [small("g", 8), small("c", 8)], x=TEXT, cost=(16, 0),
    ),
    "EmbedLayerNormalization": Case(
        "cast Slice Embedding add Embedding Add LayerNorm sum",
        [IDS, node("EmbedLayerNormalization", "ids ids word pos seg g b m", "y z s", **MICROSOFT)],
        [
            small("word", 9, 8), small("pos", 7, 8), small("seg", 2, 8), small("g", 8), small("b", 8),
            int32("m", [1] * 5, [1, 1, 0, 0, 0]),
        ],
        x=(2, 5), cost=(72 + 56 + 16 + 16, 0), computed=False,
    ),
    "EmbedLayerNormalization, positions": Case(
        "cast Embedding Embedding Add LayerNorm sum",
        [IDS, node("EmbedLayerNormalization", "ids _ word pos _ g b _ ids", "y z", **MICROSOFT)],
        [small("word", 9, 8), small("pos", 7, 8), small("g", 8), small("b", 8)], x=(2, 5), cost=(144, 0),
        computed=False,
    ),
    "QEmbedLayerNormalization": Case(
        "cast Slice Embedding add Embedding Add LayerNorm sum",
        [IDS, node("QEmbedLayerNormalization", f"ids ids word pos seg g b _ {'s ' * 5}{'z ' * 5}", "y m", **MICROSOFT)],
        [
            *[numpy_helper.from_array(np.ones((rows, 8), "u1"), name) for name, rows in SIZES.items()],
            *[numpy_helper.from_array(np.ones(8, "u1"), name) for name in "gb"], weight("s", value=0.1),
            numpy_helper.from_array(np.array(0, "u1"), "z"),
        ],
        x=(2, 5), cost=(72 + 56 + 16 + 16, 0), weight_bytes=160, computed=False,
    ),
    "FusedConv": Case(
        "Conv2d ReLU", [node("FusedConv", "x w b", activation="Relu", pads=[1, 1, 1, 1], **MICROSOFT)],
        [small("w", 4, 8, 3, 3), small("b", 4)], cost=(292, 288 * 120),
    ),
    "FusedConv, a sum and a slope": Case(
        "ReLU Conv2d Add LeakyReLU",
        [
            node("Relu", "x", "r"),
            node("FusedConv", "x w b r", activation="LeakyRelu", activation_params=[0.25], **MICROSOFT),
        ],
        [small("w", 8, 8, 1, 1), small("b", 8)], cost=(72, 64 * 120),
    ),
    "FusedConv, bounds": Case(
        "Conv2d Hardtanh", [node("FusedConv", "x w", activation="Clip", activation_params=[0.0, 6.0], **MICROSOFT)],
        [small("w", 4, 8, 1, 1)], cost=(32, 32 * 120),
    ),
    "FusedGemm": Case(
        "Linear LeakyReLU",
        [node("FusedGemm", "x w b", activation="LeakyRelu", activation_alpha=0.25, transB=1, **MICROSOFT)],
        [small("w", 5, 10), small("b", 5)], x=(3, 10), cost=(55, 150),
    ),
    "FusedMatMul": Case(
        "Linear", [node("FusedMatMul", "x w", transB=1, **MICROSOFT)], [small("w", 5, 10)], cost=(50, 96 * 50)
    ),
    "TransposeMatMul": Case(
        "Linear", [node("TransposeMatMul", "x w", transB=1, **MICROSOFT)], [small("w", 5, 10)], cost=(50, 96 * 50)
    ),
    "FusedMatMul, a factor": Case(
        "Permute MatMul mul", [node("FusedMatMul", "x x", transA=1, alpha=0.5, **MICROSOFT)],
        cost=(0, 8 * 10 * 10 * 12),
    ),
    "FusedMatMul, another batch": Case(
        "ReLU Permute Permute MatMul",
        [
            node("Relu", "x", "r"),
            node("FusedMatMul", "x r", transBatchA=1, transBatchB=1, transB=1, **MICROSOFT),
        ],
        x=(3, 4, 5), cost=(0, 4 * 3 * 3 * 5),
    ),
    "BiasGelu": Case("add GELU", [node("BiasGelu", "x b", **MICROSOFT)], [small("b", 10)], cost=(10, 0)),
    "BiasGelu after a product": Case(
        "Linear GELU", [node("MatMul", "x w", "m"), node("BiasGelu", "m b", **MICROSOFT)],
        [small("w", 10, 6), small("b", 6)], cost=(66, 96 * 60),
    ),
    "FastGelu": Case("GELU", [node("FastGelu", "x", **MICROSOFT)]),
    "FastGelu, a bias": Case("add GELU", [node("FastGelu", "x b", **MICROSOFT)], [small("b", 10)], cost=(10, 0)),
    "Gelu": Case("GELU", [node("Gelu", "x", **MICROSOFT)]),
    "QuickGelu": Case("mul sigmoid mul", [node("QuickGelu", "x", **MICROSOFT)]),
    "QuickGelu, alpha 1": Case("SiLU", [node("QuickGelu", "x", alpha=1.0, **MICROSOFT)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_operator_has_the_types_and_values_of_onnxruntime(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize("name", ["Attention", "MultiHeadAttention, a bias", "EmbedLayerNormalization, positions"])
def test_attention_can_take_another_batch(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    graph = read(tmp_path, model(case.nodes, case.weights, case.x))
    two, six = il.analyze(graph).totals, il.analyze(graph.with_batch(6)).totals
    assert (six.params, six.macs, six.flops) == (two.params, 3 * two.macs, 3 * two.flops)


@pytest.mark.parametrize(
    ("call", "x"),
    [
        (node("MultiHeadAttention", "p", num_heads=2, **MICROSOFT), (2, 5, 2, 3, 4)),
        (node("MultiHeadAttention", "q p", num_heads=2, **MICROSOFT), (2, 5, 2, 2, 4)),
    ],
    ids=["queries, keys and values in one tensor", "keys and values in one tensor"],
)
def test_attention_splits_a_tensor_of_several(tmp_path: Path, call: onnx.NodeProto, x: tuple[int, ...]) -> None:
    """onnxruntime computes these on other devices only: the output is (batch, length, heads x features)."""
    nodes = [node("Relu", "x", "p"), node("Slice", "x a c d", "s"), node("Reshape", "s r", "q"), call]
    weights = [ints("a", 0), ints("c", 1), ints("d", 3), ints("r", 2, 5, 8)]
    graph = read(tmp_path, model(nodes, weights, x))
    assert kinds(graph).endswith(f"Select Reshape {SPLIT}ScaledDotProductAttention{JOINED}")
    assert graph.types[graph.outputs[0].node][0].shape == (2, 5, 8)
    assert il.analyze(graph).totals.macs == 2 * 2 * 25 * 8


@pytest.mark.parametrize("attributes", [{}, {"softcap": 2.0}])
def test_grouped_attention_of_an_unknown_length_has_a_known_shape(tmp_path: Path, attributes: dict[str, float]) -> None:
    total = [node("ReduceSum", "x", "s", keepdims=0), node("Cast", "s", "t", to=6)] if not attributes else []
    call = node("GroupQueryAttention", "x x x p p l t", "a", num_heads=4, kv_num_heads=4, **attributes, **MICROSOFT)
    weights = [int32("l", 7, 7), weight("p", 2, 4, 3, 2, value=0), small("w", 8, 6)]
    weights += [int32("t", 8)] if attributes else []
    graph = read(tmp_path, model([*total, call, node("MatMul", "a w")], weights, TEXT))
    totals = il.analyze(graph).totals
    assert kinds(graph).endswith("?GroupQueryAttention Linear")
    assert (totals.macs, totals.macs_exact) == (2 * 5 * 48, False)


def test_an_activation_that_is_unknown_leaves_its_layer_known(tmp_path: Path) -> None:
    graph = read(tmp_path, model([node("FusedConv", "x w", activation="Later", **MICROSOFT)], [small("w", 4, 8, 1, 1)]))
    totals = il.analyze(graph).totals
    assert (kinds(graph), totals.params, totals.macs, totals.exact) == ("Conv2d ?Later", 32, 3840, False)


@pytest.mark.parametrize(
    "call",
    [
        node("Attention", "x w b", num_heads=2, do_rotary=1, **MICROSOFT),
        node("Attention", "x w b _ p _ n", "y z", num_heads=2, past_present_share_buffer=1, **MICROSOFT),
        node("MultiHeadAttention", "x x x _ _ _ p p n", num_heads=2, **MICROSOFT),
        node("DecoderMaskedMultiHeadAttention", "x x x w", num_heads=2, **MICROSOFT),
    ],
    ids=lambda call: call.op_type,
)
def test_a_form_without_a_rule_is_unknown_and_has_its_parameters(tmp_path: Path, call: onnx.NodeProto) -> None:
    graph = read(tmp_path, model([call], [*QKV, weight("p", 2, 2, 3, 4), int32("n", 3)], TEXT))
    assert isinstance(graph.nodes[-1].op, Unknown)
    totals = il.analyze(graph).totals
    assert (totals.macs_exact, totals.params >= 192 or "w" not in call.input) == (False, True)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (node("Attention", "x w b", **MICROSOFT), "`num_heads` is 0; expected at least 1"),
        (node("GroupQueryAttention", "x x x", num_heads=2, **MICROSOFT), "`kv_num_heads` 0; expected at least 1"),
        (node("Attention", "x w b", num_heads=2, qkv_hidden_sizes=[8, 8, 4], **MICROSOFT), "three parts of 8x24"),
    ],
    ids=["heads", "grouped heads", "sizes"],
)
def test_an_operator_that_violates_its_definition_is_refused(tmp_path: Path, call: onnx.NodeProto, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        read(tmp_path, model([call], QKV, TEXT))
