"""Traces: names, inputs, branches, errors, and a model that is left as it was found."""

import random
import sys
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from inception_lens.analyses.analysis import analyze
from inception_lens.errors import ConfigError, TraceError
from inception_lens.graph import Graph
from inception_lens.ops import TensorType, Unknown
from inception_lens.pytorch.trace.formulas import FORMULAS, register
from inception_lens.pytorch.trace.forward_pass import trace


class Block(nn.Module):
    """A convolution with a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)) + x, inplace=True)


class Net(nn.Module):
    """Two blocks and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(), Block())
        self.head = nn.Linear(4, 3)

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.head(self.blocks(image).mean((2, 3)))
        return result


def test_names_are_the_paths_of_modules_and_the_operators_in_them() -> None:
    graph = trace(Net(), (2, 4, 8, 8))
    assert [node.name for node in graph.nodes] == [
        "blocks/0/conv", "blocks/0/norm", "blocks/0/add", "blocks/0/relu",
        "blocks/1/conv", "blocks/1/norm", "blocks/1/add", "blocks/1/relu", "mean", "head",
    ]  # fmt: skip
    assert graph.inputs[0].name == "image"
    assert graph["blocks/0/add"].inputs == ("blocks/0/norm", "image")
    assert (graph.name, graph.metadata.source, graph.mode) == ("Net", "pytorch", "training")


def test_a_traced_graph_passes_every_check_of_a_graph() -> None:
    graph = trace(Net(), (2, 4, 8, 8))
    assert Graph.of(graph.inputs, graph.nodes, graph.outputs, graph.mode).types == graph.types


def test_the_call_of_a_module_with_one_operator_has_the_path_of_the_module() -> None:
    class Join(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return torch.cat([a, b], 1)

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.join = Join()
            self.one = nn.Sequential(nn.ReLU())

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            result: Tensor = self.one(self.join(a, b))
            return result

    assert [node.name for node in trace(Two(), ((1, 2), (1, 3))).nodes] == ["join", "one/0"]


def test_a_layer_called_again_is_numbered() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.layer(self.layer(x))
            return result

    graph = trace(Twice(), (1, 4))
    assert [node.name for node in graph.nodes] == ["layer", "layer_1"]
    assert analyze(graph).totals.params == 20


class Pair(NamedTuple):
    """Two answers."""

    first: Tensor
    second: Tensor


class Nested(nn.Module):
    """Arguments and answers in every wrapping."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(10, 5), nn.Linear(4, 5)

    def forward(self, batch: dict[str, Any], *, scale: float = 1.0, flag: bool = False) -> dict[str, Any]:
        joined = self.left(batch["a"]) + self.right(batch["b"][0])
        return {"pair": Pair(joined * scale, joined.sum()), "more": [batch["a"] if flag else joined]}


def test_arguments_by_name_in_dictionaries_and_lists() -> None:
    inputs = {"batch": {"a": (2, 10), "b": [torch.zeros(2, 4)]}, "scale": 2.0, "flag": True}
    graph = trace(Nested(), inputs)
    assert [(each.name, each.type.shape) for each in graph.inputs] == [("batch.a", (2, 10)), ("batch.b.0", (2, 4))]
    assert [graph.types[output.node][0].shape for output in graph.outputs] == [(2, 5), (), (2, 10)]
    assert analyze(graph).totals.macs == 2 * (50 + 20)


def test_a_batch_replaces_the_first_axis_of_every_input() -> None:
    graph = trace(Nested(), {"batch": {"a": (2, 10), "b": [(2, 4)]}}, batch=7)
    assert [each.type.shape for each in graph.inputs] == [(7, 10), (7, 4)]


def test_a_shape_has_the_dtype_of_the_model() -> None:
    graph = trace(nn.Linear(4, 3).half(), (1, 4))
    assert graph.inputs[0].type == TensorType((1, 4), "float16")
    assert graph.dtype == "float16"
    assert analyze(graph).totals.weight_bytes == 30


def test_a_model_that_branches_on_an_input_is_run_with_values() -> None:
    class Decides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small, self.large = nn.Linear(4, 2), nn.Linear(4, 200)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.large(x) if x.sum() > 0 else self.small(x)
            return result

    module = Decides()
    assert analyze(trace(module, (torch.ones(1, 4),))).totals.macs == 800
    assert analyze(trace(module, (-torch.ones(1, 4),))).totals.macs == 8
    with pytest.raises(TraceError, match=r"Decides.*test_trace.py:\d+: the model branches on the value of a tensor"):
        trace(module.to("meta"), (1, 4))


def test_a_model_that_branches_on_constants_needs_no_values() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            places = torch.arange(x.shape[0], device=x.device)
            while (places > 0).any():
                places = places - 1
                x = self.layer(x)
            return x

    with torch.device("meta"):
        module = Counts()
    assert analyze(trace(module, (3, 4))).totals.macs == 2 * 3 * 16


def test_a_write_to_a_view_changes_its_base() -> None:
    class Writes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result = torch.zeros_like(x)
            result[:, 0] = x[:, 1]
            return result * 2

    graph = trace(Writes(), (3, 4))
    assert [node.op.kind for node in graph.nodes] == ["Constant", "Select", "Select", "copy", "written", "mul"]
    written = next(node for node in graph.nodes if node.op.kind == "written")
    assert graph.nodes[-1].inputs == (written.name,)


class Restless(nn.Module):
    """Changes itself wherever it can."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.steps: Tensor
        self.register_buffer("steps", torch.zeros(()))
        self.count, self.seen, self.table = 0, [1], {"a": 1}
        self.names: set[str] = set()
        vars(self.norm)["seen"] = self.seen  # two modules hold one list
        self.fails = False

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1
        self.count += 1
        self.last = x
        self.seen.append(2)
        self.table["b"] = 2
        self.names.add("x")
        self.register_forward_hook(lambda *_: None)
        self.eval()
        self.register_buffer("late", x)
        noise, _ = torch.rand(3), random.random()  # noqa: S311
        if self.fails:
            raise ValueError("on purpose")
        result: Tensor = functional.dropout(self.norm(self.layer(x)), 0.5, True) + noise.sum() * self.steps
        return result


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("values", [False, True])
def test_a_model_is_left_as_it_was_found(fails: bool, values: bool) -> None:
    module = Restless()
    module.fails = fails
    handle = module.layer.register_forward_hook(lambda *_: None)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    attributes = {name: dict(vars(each)) for name, each in module.named_modules()}
    training, functions = (
        [each.training for each in module.modules()],
        (nn.Module._call_impl, functional.relu, torch.cat),
    )
    rng, python = torch.get_rng_state(), random.getstate()
    if fails:
        with pytest.raises(TraceError, match="on purpose"):
            trace(module, (2, 4), values=values)
    else:
        trace(module, (2, 4), values=values, mode="inference")
    after = module.state_dict()
    assert after.keys() == state.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in state.items())
    assert {name: dict(vars(each)) for name, each in module.named_modules()} == attributes
    assert (module.seen, module.table, module.names) == ([1], {"a": 1}, set())
    assert not module._forward_hooks
    assert [each.training for each in module.modules()] == training
    assert torch.equal(torch.get_rng_state(), rng)
    assert random.getstate() == python
    assert functions == (nn.Module._call_impl, functional.relu, torch.cat)
    assert len(module.layer._forward_hooks) == 1
    handle.remove()
    assert torch.backends.mha.get_fastpath_enabled()
    assert not torch.is_inference_mode_enabled()


def test_hooks_of_the_user_are_called() -> None:
    module, seen = nn.Sequential(nn.Linear(4, 3)), []
    module[0].register_forward_hook(lambda _, __, output: seen.append(tuple(output.shape)))
    assert analyze(trace(module, (2, 4))).totals.macs == 24
    assert seen == [(2, 3)]


def test_an_error_names_the_module_and_keeps_the_graph_before_it() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(10, 3))
    with pytest.raises(TraceError) as caught:
        trace(module, (1, 3, 8, 8))
    assert "`3` (Linear of 1x288)" in str(caught.value)
    assert "an input of 1x288 needs weights of 3x288, and these are 3x10" in str(caught.value)
    graph = caught.value.graph
    assert isinstance(graph, Graph)
    assert [node.op.kind for node in graph.nodes] == ["Conv2d", "ReLU", "Flatten"]


def test_an_error_names_the_line_of_the_model() -> None:
    class Wrong(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.nonesuch()  # type: ignore[no-any-return, attr-defined]

    with pytest.raises(TraceError, match=r"^Wrong: `Wrong` \(Wrong of 1x4\), at test_trace\.py:\d+: AttributeError: "):
        trace(Wrong(), (1, 4))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("1x3", "`1x3` is not an input"),
        ((1, -1), "every size must be at least 0"),
        (None, "`None` is not an input"),
        (TensorType((1, 4), "float23"), "which PyTorch does not have"),
    ],
)
def test_invalid_inputs_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trace(nn.Linear(4, 3), inputs)


def test_a_model_may_print_its_tensors() -> None:
    class Prints(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            self.text = f"{x} {x!r}"
            assert "size=(1, 4)" in self.text
            return x * 2

    assert [node.op.kind for node in trace(Prints(), (1, 4)).nodes] == ["mul"]


def test_an_error_leaves_no_guard_of_pytorch_in_effect() -> None:
    class Holds(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            guard = torch._C._DisableFuncTorch()
            raise ValueError(f"with {guard}")

    with pytest.raises(TraceError) as caught:
        trace(Holds(), (1, 4))
    del caught
    assert (torch.ones(1, requires_grad=True) * 2).requires_grad


def test_modules_may_be_nested_as_deeply_as_pytorch_can_call_them() -> None:
    class Around(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.inner(x)
            return result

    module: nn.Module = nn.Linear(4, 4)
    for _ in range(220):
        module = Around(module)
    limit = sys.getrecursionlimit()
    assert analyze(trace(module, (1, 4))).totals.macs == 16
    assert sys.getrecursionlimit() == limit


def test_an_unknown_operator_is_listed_and_makes_the_totals_inexact() -> None:
    class Transforms(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = torch.linalg.inv(torch.fft.rfft(x).abs()[:, :4])
            return result

    analysis = analyze(trace(Transforms(), (4, 8)))
    totals = analysis.totals
    assert (totals.exact, totals.macs_exact, totals.params_exact) == (False, False, True)
    transform, inverse = analysis.uncounted
    assert (transform.op, transform.macs) == ("aten::_fft_r2c", 0)
    assert (inverse.op, inverse.macs) == ("aten::linalg_inv_ex", None)
    assert isinstance(analysis.graph[inverse.name].op, Unknown)


def test_a_formula_for_a_custom_operator() -> None:
    library: Any = torch.library.Library("lens_test", "DEF")  # type: ignore[no-untyped-call]
    library.define("triple(Tensor x) -> Tensor")
    library.impl("triple", lambda x: torch.empty_like(x), "Meta")

    class Calls(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = torch.ops.lens_test.triple(x)
            return result

    assert not analyze(trace(Calls(), (4, 8))).totals.exact
    register("lens_test::triple", lambda inputs, outputs: 3 * inputs[0][0] * outputs[0][1])
    try:
        totals = analyze(trace(Calls(), (4, 8))).totals
        assert (totals.macs, totals.flops, totals.exact) == (96, 192, True)
    finally:
        del FORMULAS["lens_test::triple"]


def test_a_formula_for_a_module_that_cannot_be_traced() -> None:
    class Foreign(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.rand(5, 8))

        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(x.numpy())

    module = nn.Sequential(nn.Linear(4, 8), Foreign())
    register(Foreign, lambda module, inputs, outputs: module.weight.numel(), output=lambda module, x: (x[0], 5))
    try:
        graph = trace(module, (2, 4))
        totals = analyze(graph).totals
        assert (totals.macs, totals.params) == (64 + 40, 40 + 40)
        assert graph.types["1"][0].shape == (2, 5)
    finally:
        del FORMULAS[Foreign]
    with pytest.raises(ConfigError, match="neither an operator's name"):
        register("triple", lambda inputs, outputs: 0)


def test_inference_mode_autocast_and_vmap_inside_the_model() -> None:
    class Modes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.rand(4, 4))

        def forward(self, x: Tensor) -> Tensor:
            with torch.inference_mode():
                x = x @ self.weight.t()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                x = x @ self.weight
            result: Tensor = torch.vmap(lambda row: row @ self.weight)(x.float())
            return result

    for _ in range(2):
        totals = analyze(trace(Modes(), (2, 4))).totals
        assert (totals.macs, totals.params, totals.exact) == (3 * 32, 16, True)
