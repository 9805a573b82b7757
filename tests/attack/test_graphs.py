"""Random graphs of every operation with random numbers: each is analyzed, written and drawn, or refused."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

import inception_lens as il
from inception_lens.errors import InceptionLensError
from inception_lens.graph import Graph, Input, Mode, Output, Writer
from inception_lens.ops import Op, TensorType
from inception_lens.writers.caffe.prototxt import to_prototxt
from inception_lens.writers.pytorch.source import torch_source
from tests.attack.harness import COUNTS, scaled, time_limit
from tests.canonical import canonical
from tests.ops.test_table import SAMPLES

NUMBERS = st.one_of(st.integers(-2, 12), st.sampled_from([-(2**31), 2**31, 2**63, 10**30]))
SIZES = st.one_of(st.integers(1, 12), st.sampled_from([224, 65_535, 10**9]))
SHAPES = st.one_of(
    st.lists(SIZES, max_size=6).map(tuple),
    st.sampled_from([type_.shape for _, types in SAMPLES.values() for type_ in types]),
)


def mutated(draw: st.DrawFn, value: Any) -> Any:
    """A random value of the same type."""
    if isinstance(value, bool):
        return draw(st.booleans())
    if isinstance(value, int):
        return draw(NUMBERS)
    if isinstance(value, tuple) and value and all(isinstance(each, int) for each in value):
        return tuple(draw(st.lists(NUMBERS, min_size=len(value) - 1, max_size=len(value) + 1)))
    return value


@st.composite
def operations(draw: st.DrawFn) -> tuple[Op, tuple[TensorType, ...]]:
    """An operation with up to two random attributes, and inputs that are valid for the original operation."""
    op, types = SAMPLES[draw(st.sampled_from(list(SAMPLES)))]
    fields = [field.name for field in msgspec.structs.fields(op)]
    chosen = draw(st.lists(st.sampled_from(fields), max_size=2, unique=True)) if fields else []
    return msgspec.structs.replace(op, **{name: mutated(draw, getattr(op, name)) for name in chosen}), types


@st.composite
def graphs(draw: st.DrawFn) -> Graph | None:
    ops = draw(st.lists(operations(), min_size=1, max_size=8))
    own = [[Input(f"x{i}_{k}", type_) for k, type_ in enumerate(types)] for i, (_, types) in enumerate(ops)]
    inputs = [Input("x", TensorType(draw(SHAPES))), *(given for each in own for given in each)]
    net, names = Writer(inputs), [given.name for given in inputs]
    outputs: list[str] = []
    for (i, (op, _)), own_inputs in zip(enumerate(ops), own, strict=True):
        others = st.lists(st.sampled_from(names), min_size=1, max_size=3)
        reads = draw(st.one_of(st.just([given.name for given in own_inputs]), others))
        try:
            outputs.append(net.add(f"{draw(st.sampled_from('ab'))}/{i}", op, *reads))
        except InceptionLensError as error:
            assert str(error)
        else:
            names.append(outputs[-1])
    mode: Mode = draw(st.sampled_from(["inference", "training"]))
    return net.graph([Output(outputs[-1])], mode) if outputs else None


@settings(max_examples=scaled(3_000))
@given(graphs())
def test_graphs(graph: Graph | None) -> None:
    COUNTS["graphs"] += 1
    if graph is None:
        return
    with time_limit():
        analysis = il.analyze(graph)
        assert analysis.to_json()
        assert sum(layer.macs or 0 for layer in analysis.layers) == analysis.totals.macs >= 0
        assert sum(layer.params or 0 for layer in analysis.layers) == analysis.totals.params >= 0
        assert not il.compare(graph, graph).changes
        for function in (il.savings, il.diagram, to_prototxt, torch_source, canonical, lambda each: each.with_batch(3)):
            try:
                function(graph)
            except InceptionLensError as error:
                assert str(error)
