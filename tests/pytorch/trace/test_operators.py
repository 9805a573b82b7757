"""Every rule of the tracer against PyTorch: the operation, its output's type, its memory, and what autograd keeps."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.ao.quantization.fx import _decomposed  # noqa: F401 - it registers `quantized_decomposed`
from torch.nn import functional

from inception_lens import ops
from inception_lens.analyses.analysis import analyze
from inception_lens.errors import GraphError, ShapeError
from inception_lens.graph import Graph
from inception_lens.ops import Declared, Elementwise, Op, Reduce
from inception_lens.pytorch.build.lowering import lower
from inception_lens.pytorch.trace.containers import tensors_in
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.pytorch.trace.operator_costs import FLOPS, FREE, WITHOUT_PRODUCTS
from inception_lens.pytorch.trace.products import PRODUCTS
from inception_lens.pytorch.trace.rules.table import RULES
from inception_lens.pytorch.trace.rules.views import VIEWS
from inception_lens.pytorch.trace.traced_tensor import type_of
from tests.pytorch.trace import operator_examples as examples
from tests.pytorch.trace.operator_examples import ACTIVATIONS, Builder, Example, Kinds, Random, aten

SEEDS = range(4)

OTHER_KINDS = {
    "isfinite": "mul", "add": "Add", "prelu": "PReLU",
    "softsign": "div", "tanhshrink": "sub", **{name: kind.__name__ for name, kind in ACTIVATIONS.items()},
}  # fmt: skip
"""Functions that are an operation of another name, or a composition that ends in it."""

DECLARED = {"glu", "prelu", "max", "min"}
"""Functions whose output the operation does not describe in every case: half a tensor, a computed weight, indices."""


class Calls(nn.Module):
    """A forward pass that is one call."""

    def __init__(self, example: Example) -> None:
        super().__init__()
        self.call, self.names = example.call, [f"tensor_{i}" for i in range(len(example.stored))]
        for name, tensor in zip(self.names, example.stored, strict=True):
            if tensor.requires_grad:
                self.register_parameter(name, nn.Parameter(tensor.detach()))
            else:
                self.register_buffer(name, tensor)

    def forward(self, *inputs: Tensor) -> Any:
        return self.call(*inputs, *[getattr(self, name) for name in self.names])


def storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def in_memory_of_an_input(graph: Graph) -> bool:
    """Whether the first output is in the memory of an input, by the graph."""
    name, inputs = graph.outputs[0].node, {each.name for each in graph.inputs}
    while name not in inputs:
        node = graph[name.partition(":")[0]]
        if not node.inputs or not node.op.reuses_input(graph.mode == "training"):
            return False
        name = node.inputs[0]
    return True


def compared(example: Example, *, training: bool) -> Graph:
    """Trace a call, and compare types and memory of its outputs with those of the call itself."""
    module = Calls(example).train(training)
    graph = trace(module, example.inputs)
    inputs = [each.clone() for each in example.inputs]
    outputs = tensors_in((module(*inputs),))
    assert [graph.types[output.node][0] for output in graph.outputs] == list(map(type_of, outputs))
    assert in_memory_of_an_input(graph) == (storage(outputs[0]) in map(storage, inputs))
    assert graph.types == Graph.of(graph.inputs, graph.nodes, graph.outputs).types
    return graph


ONLY_IN_ONNX = {"dequantize_linear", "quantize_linear"}
"""Functions of each element that PyTorch does not name."""


def test_every_name_in_the_tables_has_an_example() -> None:
    assert RULES.keys() == {f"aten::{name}" for name in examples.RULES}
    assert VIEWS.keys() == examples.VIEWS.keys()
    assert ops.ELEMENTWISE.keys() == examples.ELEMENTWISE.keys() | ONLY_IN_ONNX
    assert ops.REDUCTIONS.keys() == examples.REDUCTIONS.keys()


@pytest.mark.parametrize("name", sorted({*FREE, *FLOPS, *WITHOUT_PRODUCTS, *PRODUCTS} - {"torchvision::deform_conv2d"}))
def test_every_name_with_a_cost_is_an_operator(name: str) -> None:
    library, _, short = name.rpartition("::")
    operators = getattr(torch.ops, library or "aten")
    assert hasattr(operators, short) or hasattr(operators, f"{short}_")


CLASSES: dict[str, tuple[Builder, Kinds]] = {
    **{f"rule {name}": row for name, row in examples.RULES.items()},
    **{f"view {name}": row for name, row in examples.VIEWS.items()},
    **{f"split {name}": row for name, row in examples.SPLITS.items()},
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CLASSES)
def test_a_rule_gives_its_operation(name: str, seed: int) -> None:
    build, kinds = CLASSES[name]
    drops_out = name.endswith("dropout")  # which without training has no effect, and these calls ask for it
    for training in (True,) if drops_out else (False, True):
        graph = compared(build(Random(f"{name} {seed}")), training=training)
        assert all(isinstance(node.op, kinds) for node in graph.nodes)
        if name.startswith("rule"):
            stored = "rnn_relu" in name  # a packed sequence reads its weights as inputs
            assert len([node for node in graph.nodes if not (stored and isinstance(node.op, ops.Stored))]) == 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", examples.ELEMENTWISE)
def test_a_function_of_each_element_has_its_name(name: str, seed: int) -> None:
    graph = compared(examples.ELEMENTWISE[name](Random(f"{name} {seed}")), training=False)
    op = graph.nodes[-1].op
    assert op.kind in (name, OTHER_KINDS.get(name))
    assert not isinstance(op, Declared) or name in DECLARED
    assert not getattr(op, "inplace", False)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ops.REDUCTIONS)
def test_a_reduction_has_its_name(name: str, seed: int) -> None:
    graph = compared(examples.REDUCTIONS[name](Random(f"{name} {seed}")), training=False)
    (node,) = graph.nodes
    assert node.op.kind == name
    assert isinstance(node.op, Reduce) or name in DECLARED


def test_every_in_place_form_has_an_example() -> None:
    names = {*examples.RULES, *examples.ELEMENTWISE}
    assert {name for name in names if hasattr(aten, f"{name}_")} == examples.IN_PLACE.keys()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", examples.IN_PLACE)
def test_an_in_place_form_is_in_the_memory_of_its_input(name: str, training: bool) -> None:
    graph = compared(examples.IN_PLACE[name](Random(name)), training=training or name.endswith("dropout"))
    assert in_memory_of_an_input(graph)
    if len(graph.nodes) == 1:
        assert graph.nodes[0].op.inplace  # type: ignore[attr-defined]


# --- What the operation computes

RANDOM = {"dropout", "feature_dropout", "alpha_dropout"}


def values_of(operation: Op, graph: Graph, example: Example) -> tuple[Tensor, ...] | None:
    """What the module that is built for an operation computes; None if the graph does not hold all that it needs."""
    try:
        module = lower(operation, graph.input_types(graph.nodes[0])).train()
    except GraphError:
        return None
    inputs = [example.inputs[[each.name for each in graph.inputs].index(name)] for name in graph.nodes[0].inputs]
    shapes = graph.input_shapes(graph.nodes[0])
    roles = [each.role for each in (*operation.parameters(*shapes), *operation.buffers(*shapes))]
    with torch.no_grad():
        for role, tensor in zip(roles, example.stored, strict=True):
            getattr(module, role).copy_(tensor)
        return tuple(tensors_in((module(*[each.clone() for each in inputs]),)))


COMPUTED: dict[str, Builder] = {
    **{name: build for name, (build, _) in {**examples.RULES, **examples.VIEWS}.items() if name not in RANDOM},
    **{f"function {name}": build for name, build in examples.ELEMENTWISE.items()},
    **{f"reduction {name}": build for name, build in examples.REDUCTIONS.items()},
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", COMPUTED)
def test_the_operation_built_again_computes_what_was_called(name: str, seed: int) -> None:
    example = COMPUTED[name](Random(f"{name} {seed}"))
    graph = trace(Calls(example).train(), example.inputs)
    found = values_of(graph.nodes[0].op, graph, example) if len(graph.nodes) == 1 else None
    if found is not None:
        with torch.no_grad():
            called = tensors_in((Calls(example).train()(*[each.clone() for each in example.inputs]),))
        torch.testing.assert_close(found[: len(called)], tuple(called), equal_nan=True)


# --- Functions as models call them


class Function(nn.Module):
    """A forward pass that is one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


def ops_of(function: Callable[..., Any], *shapes: tuple[int, ...], training: bool = False) -> list[Op]:
    return [node.op for node in trace(Function(function).train(training), shapes).nodes]


IMAGE = (2, 3, 4, 5)


@pytest.mark.parametrize(
    "function", [lambda x: x.flatten(1), lambda x: torch.flatten(x, 1), lambda x: x.view(x.shape[0], -1)]
)
def test_a_functional_flatten_holds_for_every_batch(function: Callable[[Tensor], Tensor]) -> None:
    graph = trace(Function(function), IMAGE)
    assert [node.op for node in graph.nodes] == [ops.Flatten()]
    assert graph.with_batch(7).types[graph.outputs[0].node][0].shape == (7, 60)


def test_a_flatten_of_axes_in_the_middle() -> None:
    assert ops_of(lambda x: x.flatten(1, 2), IMAGE) == [ops.Flatten(1, 2)]
    assert ops_of(lambda x: x.reshape(4, 30), IMAGE) == [ops.Reshape((4, 30))]


def test_chunks_are_slices() -> None:
    slices = [ops.Slice(1, 0, 2), ops.Slice(1, 2, 4), ops.Slice(1, 4, 5)]
    assert ops_of(lambda x: torch.chunk(x, 3, 1), (2, 5)) == slices
    assert ops_of(lambda x: x.tensor_split(2), (2, 5)) == [ops.Slice(0, 0, 1), ops.Slice(0, 1, 2)]


@pytest.mark.parametrize("function", [torch.squeeze, lambda x: x.squeeze(0), lambda x: x.squeeze((0, -1))])
def test_a_squeeze_of_a_batch_of_one_holds_for_no_other_batch(function: Callable[[Tensor], Tensor]) -> None:
    graph = trace(Function(function), (1, 3, 1))
    assert isinstance(graph.nodes[0].op, ops.Reshape)
    with pytest.raises(ShapeError):
        graph.with_batch(2)
    assert ops_of(lambda x: x.squeeze(-1), (1, 3, 1)) == [ops.Flatten(1)]


def test_alpha_dropout_is_composed_in_training() -> None:
    assert ops_of(lambda x: functional.alpha_dropout(x, 0.5, training=False), IMAGE) == [ops.Dropout()]
    composed = ops_of(lambda x: functional.alpha_dropout(x, 0.5, training=True), IMAGE, training=True)
    assert not any(isinstance(op, ops.Dropout) for op in composed)


def test_dropout_of_channels() -> None:
    for n, function in enumerate((functional.dropout1d, functional.dropout2d, functional.dropout3d), 1):
        found = ops_of(lambda x, function=function: function(x, 0.3, True), (2, 3, *[4] * n), training=True)
        assert found == [ops.Dropout(0.3, by_channel=True)]


def test_the_parts_of_an_unbound_tensor_are_in_its_order() -> None:
    assert ops_of(lambda x: x.unbind(1), (2, 3)) == [ops.Select(1, 0), ops.Select(1, 1), ops.Select(1, 2)]


def test_causal_attention_and_the_approximate_gelu_are_told_apart() -> None:
    attention = functional.scaled_dot_product_attention
    assert ops_of(lambda x: attention(x, x, x, is_causal=True), IMAGE) == [ops.ScaledDotProductAttention(True)]
    assert ops_of(lambda x: attention(x, x, x), IMAGE) == [ops.ScaledDotProductAttention()]
    assert ops_of(lambda x: functional.gelu(x, approximate="tanh"), IMAGE) == [ops.GELU(approximate="tanh")]
    assert ops_of(functional.gelu, IMAGE) == [ops.GELU()]


FLOPS_OF_CALLS: dict[str, tuple[Callable[..., Any], int]] = {
    # Of the 120 elements of an image; the operations of one are written next to it.
    "mse_loss": (lambda x: functional.mse_loss(x, x + 0), 3 * 120),  # a difference, its square, and the sum
    "cumsum": (lambda x: x.cumsum(1), 120),  # an addition
    "vector norm": (lambda x: torch.linalg.vector_norm(x), 2 * 120),  # a square and an addition
    "std_mean": (lambda x: torch.std_mean(x)[0], 4 * 120),  # two sums, a difference and its square
    "aminmax": (lambda x: torch.aminmax(x)[0], 2 * 120),  # a comparison for each bound
    "gather": (lambda x: x.gather(0, torch.zeros(2, 3, 4, 5, dtype=torch.int64)), 0),
    "flip": (lambda x: x.flip(0), 0),
    "cdist": (
        lambda x: torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist"),
        3 * (2 * 3 * 4 * 4) * 5,  # for each pair of rows of 5: a difference, a square and an addition
    ),
}


@pytest.mark.parametrize("name", FLOPS_OF_CALLS)
def test_operators_cost_what_their_definition_needs(name: str) -> None:
    function, flops = FLOPS_OF_CALLS[name]
    totals = analyze(trace(Function(function), IMAGE)).totals
    added = 120 if name == "mse_loss" else 0  # of `x + 0`
    assert (totals.flops, totals.macs, totals.exact) == (flops + added, 0, True)


def test_softmax_is_one_operation() -> None:
    assert ops_of(lambda x: x.softmax(-1), IMAGE) == [ops.Softmax(-1)]
    assert ops_of(lambda x: functional.log_softmax(x, 1), IMAGE) == [ops.LogSoftmax(1)]


def test_only_an_in_place_relu_is_in_place() -> None:
    assert ops_of(functional.relu, IMAGE) == [ops.ReLU()]
    assert ops_of(torch.relu_, IMAGE) == [ops.ReLU(inplace=True)]
    assert ops_of(lambda x: functional.relu(x, inplace=True), IMAGE) == [ops.ReLU(inplace=True)]


def test_a_sum_is_in_place_where_it_is_written_over_its_first_term() -> None:
    def residual(x: Tensor) -> Tensor:
        y = x * 2
        y += x
        return y

    assert ops_of(residual, IMAGE) == [Elementwise("mul", numbers=(None, 2)), ops.Add(inplace=True)]
    assert ops_of(lambda x: x * 2 + x, IMAGE) == [Elementwise("mul", numbers=(None, 2)), ops.Add()]


@pytest.mark.parametrize("module", [nn.Dropout(0.3), nn.Dropout(0.3, inplace=True)])
def test_dropout_allocates_in_training_unless_it_is_in_place(module: nn.Dropout) -> None:
    graph = trace(nn.Sequential(module), IMAGE, mode="training")
    assert in_memory_of_an_input(graph) == module.inplace
    assert graph.nodes[0].op == ops.Dropout(0.3, module.inplace)


def test_dropout_in_the_other_mode_than_its_model() -> None:
    def frozen(x: Tensor) -> Tensor:
        return functional.dropout(x, 0.5, False) * 2

    assert ops_of(frozen, IMAGE, training=False) == [ops.Dropout(), Elementwise("mul", numbers=(None, 2))]
    assert ops_of(frozen, IMAGE, training=True) == [ops.Dropout(0.0), Elementwise("mul", numbers=(None, 2))]
    always = ops_of(lambda x: functional.dropout(x, 0.5, True), IMAGE, training=False)
    assert not any(isinstance(op, ops.Dropout) for op in always)
    assert not always[-1].reuses_input(training=False)
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout()).train()
    module[1].eval()
    assert [node.op for node in trace(module, (2, 4)).nodes] == [ops.Linear(4), ops.Dropout(0.0)]


class Keeps(nn.Module):
    """Tensors in a list, which PyTorch does not register."""

    def __init__(self, tensor: Tensor) -> None:
        super().__init__()
        self.tensors = [tensor]

    def forward(self, x: Tensor) -> Tensor:
        return x * self.tensors[0]


def test_a_constant_in_a_list_is_not_learned() -> None:
    totals = analyze(trace(Keeps(torch.rand(4)), (2, 4))).totals
    assert (totals.params, totals.params_used) == (0, 0)
    graph = trace(Keeps(torch.rand(4)), (2, 4))
    assert graph.nodes[0].op == ops.Stored((4,), tensor_kind="constant")


def test_a_parameter_in_a_list_is_learned() -> None:
    graph = trace(Keeps(nn.Parameter(torch.rand(4))), (2, 4))
    assert graph.nodes[0].op == ops.Stored((4,), tensor_kind="parameter")
    assert analyze(graph).totals.params == 4


@pytest.mark.parametrize("training", [False, True])
def test_a_batch_norm_with_the_statistics_of_the_batch_keeps_none_at_inference(training: bool) -> None:
    class OfTheBatch(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, True)

    (node,) = trace(OfTheBatch(3), IMAGE, mode="training" if training else "inference").nodes
    assert node.op == ops.BatchNorm2d(track=training)
