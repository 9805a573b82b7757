"""Properties of every GoogLeNet that a config can describe."""

import tomllib
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.architectures.googlenet import LRN, PAPER, AuxHead, GoogLeNet, InceptionModule, Stem
from inception_lens.architectures.network import BatchNormConfig
from inception_lens.graph import Graph, Mode
from inception_lens.readers.config import configure
from inception_lens.writers.googlenet_config import googlenet_config
from inception_lens.writers.toml import to_toml

widths = st.integers(1, 40)
reductions = st.one_of(widths, st.just("none"))
modules = st.builds(
    InceptionModule,
    conv_1x1=widths,
    reduce_3x3=reductions,
    conv_3x3=widths,
    reduce_5x5=reductions,
    conv_5x5=widths,
    pool_proj=reductions,
)
stems = st.builds(
    Stem,
    kind=st.just("paper"),
    kernel=st.sampled_from([1, 3, 5, 7]),
    stride=st.integers(1, 3),
    conv1=widths,
    conv2_reduce=reductions,
    conv2=widths,
) | st.builds(Stem, kind=st.just("conv-conv-pool"), conv1=widths, conv2=widths)
names = st.sets(st.sampled_from(sorted(PAPER.modules)), min_size=1, max_size=5)


@st.composite
def configs(draw: st.DrawFn) -> GoogLeNet:
    """Configs in the form that a graph shows: a multiplier of 1, and no settings without effect."""
    chosen = sorted(draw(names))
    norm: Any = draw(st.sampled_from(["lrn", "batch", "none"]))
    aux = tuple(draw(st.lists(st.sampled_from(chosen), unique=True, max_size=2)))
    stem = draw(stems)
    positions = ["paper", "before_pool", "after_pool"] if stem.kind == "paper" else ["paper", "after_pool"]
    pooled: dict[str, Any] = {"pool_kernel": draw(st.integers(1, 3)), "pool_stride": draw(st.integers(1, 3))}
    adaptive: dict[str, Any] = {"pool": "adaptive", "pool_size": draw(st.integers(1, 4))}
    pool = draw(st.sampled_from([adaptive, pooled]))
    activation: Any = draw(st.sampled_from(["relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "none"]))
    places = ["conv", "concat", *(["before_norm"] if norm == "batch" else [])]
    return GoogLeNet(
        classes=draw(st.integers(1, 50)),
        input=(draw(st.integers(1, 4)), draw(st.integers(33, 80)), draw(st.integers(33, 80))),
        stem=stem,
        modules={name: draw(modules) for name in chosen},
        kernel_5x5=draw(st.sampled_from([1, 3, 5, 7])),
        padding=draw(st.sampled_from(["explicit", "same"])),
        rounding=draw(st.sampled_from(["floor", "trunc", "ceil", "ceil_unclipped", "same"])),
        last_pool=draw(st.integers(2, 3)) if len({name[10] for name in chosen}) > 1 else 3,
        norm=norm,
        lrn=LRN(size=draw(st.integers(1, 7)), position=draw(st.sampled_from(positions))) if norm == "lrn" else LRN(),
        batch_norm=BatchNormConfig(eps=1e-5, scale=draw(st.booleans())) if norm == "batch" else BatchNormConfig(),
        bias=draw(st.booleans()),
        activation=activation,
        activation_at=draw(st.sampled_from(places)) if activation != "none" else "conv",
        final_pool=draw(st.sampled_from(["global", "1x1/1", "2x2/1", "2x1/2"])),
        dropout=draw(st.sampled_from([0.0, 0.4])),
        classifier=draw(st.sampled_from(["linear", "conv"])),
        aux=aux,
        aux_head=AuxHead(**pool, conv=draw(widths), fc=draw(widths), loss_weight=0.5) if aux else AuxHead(),
    )


def build(config: GoogLeNet, mode: Mode = "training", batch: int = 1) -> Graph:
    """The graph of a config; examples whose windows do not fit are skipped."""
    assume(config.accepts(config.input, mode))  # `graph` would search for an input that does
    return config.graph(mode, batch)


many = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.filter_too_much])


@many
@given(configs())
def test_config_to_graph_to_config_is_the_identity(config: GoogLeNet) -> None:
    if config.classifier == "conv" and config.final_pool != "global":
        return  # a convolutional classifier may give more than one position, and then more logits than classes
    assert googlenet_config(build(config)) == config


@many
@given(configs(), st.sampled_from([0.5, 0.75, 2.0]))
def test_the_config_of_a_graph_gives_an_equal_graph(config: GoogLeNet, width: float) -> None:
    for mode in ("inference", "training"):
        graph = build(config.replace(width=width, reduce=("5x5",)), "training" if mode == "training" else "inference")
        read = googlenet_config(graph)
        assert read.graph(graph.mode) == graph
        assert read.width == 1


@many
@given(configs())
def test_config_to_toml_to_config_is_the_identity(config: GoogLeNet) -> None:
    assert configure(tomllib.loads(to_toml(config, "googlenet"))) == config


SUMS = (
    "params",
    "params_trainable",
    "buffers",
    "macs",
    "flops",
    "weight_bytes",
    "activation_bytes",
    "backward_macs",
    "saved_activation_bytes",
)


@many
@given(configs(), st.integers(1, 5))
def test_modules_sum_to_the_whole(config: GoogLeNet, depth: int) -> None:
    analysis = analyze(build(config))
    groups = analysis.by_module(depth)
    for column in SUMS:
        assert sum(getattr(group, column) for group in groups) == getattr(analysis.totals, column)
    assert sum(len(group.layers) for group in groups) == len(analysis.layers)


@many
@given(configs(), st.integers(2, 9))
def test_a_batch_costs_its_size_times_one_image(config: GoogLeNet, batch: int) -> None:
    one, many = analyze(build(config)), analyze(build(config, batch=batch))
    assert many.totals.params == one.totals.params
    for column in ("macs", "flops", "activation_bytes", "peak_activation_bytes", "backward_macs"):
        assert getattr(many.totals, column) == batch * getattr(one.totals, column)
    assert many.fields == one.fields
    assert analyze(build(config).with_batch(batch)).totals == many.totals


def macs_by_layer(analysis: Analysis) -> dict[str, int]:
    return {layer.name: layer.macs for layer in analysis.layers if layer.macs}


@many
@given(configs())
def test_twice_the_width_is_four_times_the_work_between_image_and_classes(config: GoogLeNet) -> None:
    one, two = macs_by_layer(analyze(build(config))), macs_by_layer(analyze(build(config.replace(width=2.0))))
    first = next(iter(one))
    ends = {name for name in one if name.endswith("classifier")} | {first}
    for name, macs in one.items():
        assert two[name] == (2 if name in ends else 4) * macs


@many
@given(configs(), st.sampled_from(["ceil", "same"]))
def test_twice_the_input_is_four_times_the_work_of_convolutions(config: GoogLeNet, rounding: str) -> None:
    assume(config.stem.stride < 3)
    whole = config.replace(input=(3, 64, 64), rounding=rounding, final_pool="global", aux=())
    small, large = analyze(build(whole)), analyze(build(whole.replace(input=(3, 128, 128))))
    assert large.totals.params == small.totals.params
    larger = macs_by_layer(large)
    for name, macs in macs_by_layer(small).items():
        assert larger[name] == (1 if name == "loss3/classifier" else 4) * macs
