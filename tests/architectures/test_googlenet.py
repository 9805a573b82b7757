"""GoogLeNet's config: published figures, and each setting that can be changed."""

import pytest

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.architectures.blocks import parse_pool
from inception_lens.architectures.googlenet import (
    ENTRIES,
    LRN,
    PAPER,
    GoogLeNet,
    InceptionModule,
    Stem,
)
from inception_lens.architectures.network import BatchNormConfig, Network
from inception_lens.errors import ConfigError, ShapeError
from inception_lens.ops import AdaptiveAvgPool2d, AvgPool2d, Softmax

DIALECTS = {entry.dialect: (entry.config, entry.source) for entry in ENTRIES}


def totals(config: Network, training: bool = False) -> tuple[int, int]:
    found = analyze(config.graph("training" if training else "inference")).totals
    return found.params, found.macs


def names(config: Network, training: bool = False) -> list[str]:
    return [node.name for node in config.graph("training" if training else "inference").nodes]


def layer(analysis: Analysis, name: str) -> tuple[int | None, ...]:
    return next(layer.output_shape or () for layer in analysis.layers if layer.name == name)


@pytest.mark.parametrize(
    ("dialect", "params", "macs", "params_with_aux", "macs_with_aux"),
    [
        # BVLC/caffe models/bvlc_googlenet: deploy.prototxt and the TRAIN phase of train_val.prototxt
        ("", 6_998_552, 1_582_671_872, 13_378_280, 1_591_044_096),
        ("caffe", 6_998_552, 1_582_671_872, 13_378_280, 1_591_044_096),
        # PaddlePaddle/models image_classification/googlenet.py, 102 classes
        ("paddle", 6_078_102, 1_581_752_320, 10_616_930, 1_588_285_440),
        ("paddle-fluid", 6_991_272, 1_431_556_352, 11_535_736, 1_437_161_728),
        # torchvision 0.28: the metadata of GoogLeNet_Weights, and the parameters of googlenet(aux_logits=True)
        ("torchvision", 6_624_904, 1_498_376_192, 13_004_888, 1_506_748_416),
        # tf_slim/nets/inception_v1.py has no heads
        ("slim", 6_617_624, 1_498_376_192, 6_617_624, 1_498_376_192),
    ],
)
def test_published_totals(dialect: str, params: int, macs: int, params_with_aux: int, macs_with_aux: int) -> None:
    config = DIALECTS[dialect][0]
    assert totals(config) == (params, macs)
    assert totals(config, training=True) == (params_with_aux, macs_with_aux)


def test_paddle_with_a_thousand_classes_is_caffes_network() -> None:
    assert totals(DIALECTS["paddle"][0].replace(classes=1000)) == totals(PAPER)


def test_slim_with_background_class() -> None:
    # Open Model Zoo, googlenet-v1-tf: 6.619 million parameters; with statistics 6,633,209 variables
    found = analyze(DIALECTS["slim"][0].replace(classes=1001).graph()).totals
    assert (found.params, found.params + found.buffers, found.macs) == (6_618_649, 6_633_209, 1_498_377_216)


def test_slim_base_network_has_the_variables_that_its_own_test_asserts() -> None:
    # tf_slim/nets/inception_v1_test.py, testModelHasExpectedNumberOfParameters
    modules = analyze(DIALECTS["slim"][0].graph()).by_module()
    assert sum(group.params + group.buffers for group in modules if group.name != "loss3") == 5_607_184


def test_receptive_field_after_the_last_pool() -> None:
    fields = {group.name: group.receptive_field for group in analyze(PAPER.graph()).by_module()}
    assert [fields[name] for name in ("conv1", "pool1", "conv2", "inception_3a", "inception_5b", "pool5")] == [
        7, 11, 19, 59, 715, 907,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "weights_and_biases", "macs"),
    [  # the paper's Table 1, from the layer sizes
        ("inception_3a", 163_328 + 368, 128_049_152),
        ("inception_3b", 388_096 + 640, 304_267_264),
        ("inception_4a", 375_552 + 624, 73_608_192),
        ("inception_4e", 867_328 + 1_024, 169_996_288),
        ("inception_5b", 1_442_816 + 1_264, 70_697_984),
    ],
)
def test_rows_of_table_1(row: str, weights_and_biases: int, macs: int) -> None:
    (group,) = [group for group in analyze(PAPER.graph()).by_module() if group.name == row]
    assert (group.params, group.macs) == (weights_and_biases, macs)


def test_the_naive_module_has_no_reductions() -> None:
    naive = DIALECTS["naive"][0]
    module = [name for name in names(naive) if name.startswith("inception_3a/") and not name.endswith("relu")]
    assert module == [
        "inception_3a/1x1",
        "inception_3a/3x3",
        "inception_3a/5x5",
        "inception_3a/pool",
        "inception_3a/output",
    ]
    assert layer(analyze(naive.graph()), "inception_3a/output") == (1, 64 + 128 + 32 + 192, 28, 28)


def test_one_reduction_can_be_left_out_by_its_column_or_by_its_branch() -> None:
    row = PAPER.modules["inception_3a"]
    without = InceptionModule(
        conv_1x1=row.conv_1x1, reduce_3x3=row.reduce_3x3, conv_3x3=row.conv_3x3,
        reduce_5x5="none", conv_5x5=row.conv_5x5, pool_proj=row.pool_proj,
    )  # fmt: skip
    config = PAPER.replace(modules={**PAPER.modules, "inception_3a": without})
    # 5x5 from 192 channels instead of from 16, and no 1x1 of 16
    assert totals(config)[0] - totals(PAPER)[0] == (192 - 16) * 32 * 25 - (192 * 16 + 16)
    branch = PAPER.replace(reduce=("3x3", "pool"))
    assert not [name for name in names(branch) if "5x5_reduce" in name]
    assert [name for name in names(branch) if "3x3_reduce" in name]


def test_5x5_branch_of_3x3_kernels_saves_what_slim_saves() -> None:
    less = PAPER.replace(kernel_5x5=3)
    assert [a - b for a, b in zip(totals(PAPER), totals(less), strict=True)] == [380_928, 84_295_680]
    assert "inception_3a/5x5_branch_3x3" in names(less)


@pytest.mark.parametrize(
    ("position", "places"),
    [
        ("paper", ["pool1/norm1", "conv2/norm2"]),
        ("before_pool", ["conv1/norm1", "conv2/norm2"]),
        ("after_pool", ["pool1/norm1", "pool2/norm2"]),
    ],
)
def test_order_of_pool_and_lrn(position: str, places: list[str]) -> None:
    config = PAPER.replace(lrn=LRN(position=position))  # type: ignore[arg-type]
    assert [name for name in names(config) if "norm" in name] == places


def test_the_position_of_the_activation() -> None:
    batch = PAPER.replace(norm="batch")
    order = [name for name in names(batch) if name.startswith("inception_3a/1x1")]
    assert order == ["inception_3a/1x1", "inception_3a/1x1/bn", "inception_3a/1x1/relu"]
    first = [name for name in names(batch.replace(activation_at="before_norm")) if name.startswith("inception_3a/1x1")]
    assert first == ["inception_3a/1x1", "inception_3a/1x1/relu", "inception_3a/1x1/bn"]
    after = names(PAPER.replace(activation_at="concat", activation="silu"))
    assert [name for name in after if name.startswith("inception_3a/")][-2:] == [
        "inception_3a/output",
        "inception_3a/silu_output",
    ]
    assert not [name for name in names(PAPER.replace(activation="none")) if name.endswith("relu")]


def test_batch_norm_without_scale_learns_half() -> None:
    with_scale = PAPER.replace(norm="batch", bias=False)
    without = with_scale.replace(batch_norm=BatchNormConfig(scale=False))
    assert totals(with_scale)[0] - totals(without)[0] == 7_280


def test_small_images_by_stride_and_by_stem() -> None:
    small = PAPER.replace(input=(3, 32, 32))
    assert layer(analyze(small.graph()), "inception_5b/output") == (1, 1024, 1, 1)
    assert layer(analyze(small.replace(stem=Stem(stride=1)).graph()), "inception_5b/output") == (1, 1024, 2, 2)
    conv_conv_pool = small.replace(stem=Stem(kind="conv-conv-pool"), norm="none")
    assert names(conv_conv_pool)[:5] == ["conv1/3x3", "conv1/3x3/relu", "conv2/3x3", "conv2/3x3/relu", "pool2/3x3_s2"]
    assert layer(analyze(conv_conv_pool.graph()), "inception_5b/output") == (1, 1024, 4, 4)


def test_the_final_pool_is_global_unless_a_kernel_is_given() -> None:
    pools = [config.graph()["pool5/7x7_s1"].op for config in (PAPER, PAPER.replace(final_pool="7"))]
    assert pools == [AdaptiveAvgPool2d(), AvgPool2d((7, 7), (1, 1), rounding="ceil")]
    assert "pool5/10x10_s1" in names(PAPER.replace(input=(3, 320, 320)))


@pytest.mark.parametrize(
    ("text", "pool"), [("7", ((7, 7), 1)), ("7x7", ((7, 7), 1)), ("7x5/2", ((7, 5), 2)), ("3/3", ((3, 3), 3))]
)
def test_spellings_of_a_pool(text: str, pool: tuple[tuple[int, int], int]) -> None:
    assert parse_pool(text) == pool


def test_inference_ends_in_a_softmax_and_training_in_logits() -> None:
    assert isinstance(PAPER.graph().nodes[-1].op, Softmax)
    training = PAPER.graph("training")
    assert [(output.node, output.loss_weight) for output in training.outputs] == [
        ("loss3/classifier", 1.0), ("aux1/classifier", 0.3), ("aux2/classifier", 0.3),
    ]  # fmt: skip
    assert PAPER.replace(softmax=False).graph().nodes[-1].name == "loss3/classifier"


def test_heads_can_be_on_other_modules() -> None:
    config = PAPER.replace(aux=("inception_3b",))
    head = config.graph("training")["aux1/ave_pool"]
    assert head.inputs == ("inception_3b/output",)
    assert not [name for name in names(PAPER.replace(aux=()), training=True) if name.startswith("aux")]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PAPER.replace(kernel_5x5=4), "`kernel_5x5` is 4: only an odd kernel keeps its input's size: 3 or 5"),
        (PAPER.replace(stem=Stem(kernel=2)), "`stem.kernel` is 2"),
        (
            PAPER.replace(aux=("inception_4z",)),
            "which is not a module (did you mean `inception_4",
        ),
        (PAPER.replace(aux=("inception_4a", "inception_4a")), "names a module twice"),
        (PAPER.replace(classes=0), "classes"),
        (PAPER.replace(classes="many"), "classes"),
        (PAPER.replace(modules={"nonsense": PAPER.modules["inception_3a"]}), "modules"),
        (PAPER.replace(modules={}), "modules"),
        (PAPER.replace(width=float("nan")), "width"),
    ],
)
def test_impossible_configs_are_refused(config: GoogLeNet, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.graph()
    assert message in str(error.value)


def test_an_input_that_is_too_small_names_the_smallest_that_works() -> None:
    with pytest.raises(ShapeError) as error:
        PAPER.replace(input=(3, 8, 8)).graph()
    assert "`pool3/3x3_s2` (max 3x3/2 of `inception_3b/output` 1x480x1x1)" in str(error.value)
    smallest = int(str(error.value).rpartition("x")[2])
    assert PAPER.replace(input=(3, smallest, smallest)).graph()
    with pytest.raises(ShapeError):
        PAPER.replace(input=(3, smallest - 1, smallest - 1)).graph()


def test_no_input_is_suggested_if_none_works() -> None:
    with pytest.raises(ShapeError) as error:
        PAPER.replace(final_pool="255").graph()  # a map of 255x255 needs an image of more than 8,000 pixels a side
    assert "it needs at least 255x255" in str(error.value)
    assert "smallest" not in str(error.value)


def test_a_network_must_implement_write() -> None:
    with pytest.raises(NotImplementedError):
        Network().graph()
