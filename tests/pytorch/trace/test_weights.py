"""What a module computes follows from its tensors, whatever its attributes are; and which dtypes PyTorch accepts.

The expected MACs are argued next to each case; FlopCounterMode, which sees the operators, confirms them.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn import functional
from torch.nn.utils import parametrize, prune
from torch.utils.flop_counter import FlopCounterMode

from inception_lens.analyses.analysis import analyze
from inception_lens.errors import TraceError
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace.forward_pass import trace
from tests.pytorch.trace.test_cases import Calls


def counted(module: nn.Module, *inputs: Tensor) -> int:
    """The MACs of a trace, which must be exact and those of FlopCounterMode."""
    totals = analyze(trace(module.eval(), inputs)).totals
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    assert totals.exact
    assert 2 * totals.macs == counter.get_total_flops()
    return totals.macs


def changed(module: nn.Module, **attributes: Any) -> nn.Module:
    """A module in a container, with attributes set after its construction."""
    for name, value in attributes.items():
        setattr(module, name, nn.Parameter(value) if isinstance(value, Tensor) else value)
    return nn.Sequential(module)


class Doubled(nn.Module):
    """A parametrization that repeats the rows of a weight."""

    def forward(self, weight: Tensor) -> Tensor:
        return torch.cat([weight, weight])


def parametrized() -> nn.Module:
    linear = nn.Linear(8, 4, bias=False)
    parametrize.register_parametrization(linear, "weight", Doubled(), unsafe=True)
    return linear


def pruned() -> nn.Module:
    linear = nn.Linear(8, 4)
    prune.l1_unstructured(linear, "weight", 0.5)  # type: ignore[no-untyped-call]
    return linear


r = torch.rand
CASES: list[tuple[str, nn.Module, tuple[Tensor, ...], int]] = [
    ("another number of features", changed(nn.Linear(8, 1000), out_features=10), (r(2, 8),), 2 * 8 * 1000),
    ("another number of channels", changed(nn.Conv2d(3, 8, 3), out_channels=2), (r(1, 3, 8, 8),), 8 * 36 * 27),
    ("another kernel", changed(nn.Conv2d(3, 8, 3), kernel_size=(1, 1)), (r(1, 3, 8, 8),), 8 * 36 * 27),
    ("a kernel that is a number", changed(nn.Conv1d(3, 8, 3), kernel_size=3), (r(1, 3, 8),), 8 * 6 * 9),
    ("a stride that is a number", changed(nn.Conv2d(3, 8, 3), stride=2), (r(1, 3, 9, 9),), 8 * 16 * 27),
    ("six of 16 filters", changed(nn.Conv2d(3, 16, 3, bias=False), weight=r(6, 3, 3, 3)), (r(1, 3, 8, 8),),
     6 * 36 * 27),
    ("five of 16 transposed filters", changed(nn.ConvTranspose2d(3, 16, 2, bias=False), weight=r(3, 5, 2, 2)),
     (r(1, 3, 4, 4),), 48 * 5 * 4),
    ("another kernel in three dimensions", changed(nn.Conv3d(2, 4, 3), weight=r(4, 2, 1, 1, 1)), (r(1, 2, 4, 4, 4),),
     64 * 8),
    ("rows sliced off", changed(nn.Linear(8, 16, bias=False), weight=r(5, 8)), (r(3, 8),), 3 * 8 * 5),
    ("another width of the input", changed(nn.Linear(8, 4), weight=r(4, 6)), (r(3, 6),), 3 * 6 * 4),
    ("a parametrized weight of twice the rows", parametrized(), (r(3, 8),), 3 * 8 * 8),
    ("a bias for every row", changed(nn.Linear(8, 4), bias=r(3, 4)), (r(3, 8),), 3 * 8 * 4),
    ("one bias for all", changed(nn.Linear(8, 4), bias=r(1)), (r(3, 8),), 3 * 8 * 4),
    ("pruning", nn.Sequential(pruned()), (r(3, 8),), 3 * 8 * 4),
    ("fewer vectors", nn.Sequential(changed(nn.Embedding(9, 4), embedding_dim=2), nn.Linear(4, 2)),
     (torch.tensor([[1, 2, 3]]),), 3 * 4 * 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "module", "inputs", "macs"), CASES, ids=[case[0] for case in CASES])
def test_the_tensors_count_and_not_the_attributes(
    name: str, module: nn.Module, inputs: tuple[Tensor, ...], macs: int
) -> None:
    assert counted(module, *inputs) == macs
    outputs = [output.node for output in trace(module.eval(), inputs).outputs]
    assert trace(module.eval(), inputs).types[outputs[0]][0].shape == module(*inputs).shape


def test_attributes_of_a_recurrent_layer() -> None:
    # Per step: four gates of 16 rows over 8 inputs and 16 states.
    totals = analyze(trace(changed(nn.LSTM(8, 16), hidden_size=16, num_layers=1).eval(), (r(5, 3, 8),))).totals
    assert totals.macs == 5 * 3 * 4 * 16 * (8 + 16)
    module = nn.LSTM(8, 16)
    module.hidden_size = 4
    module.check_forward_args = lambda *_: None  # type: ignore[method-assign]
    # The initial state is 4 wide: PyTorch's kernel computes something else than an LSTM, of unknown cost.
    assert not analyze(trace(nn.Sequential(module).eval(), (r(5, 3, 8),))).totals.exact


class Ensemble(nn.Module):
    """Several networks of one kind, run at once with stacked parameters."""

    def __init__(self, base: nn.Module, members: int, one_input_each: bool) -> None:
        super().__init__()
        self.base, self.dims = base, 0 if one_input_each else None
        stacked, _ = stack_module_state([base] * members)
        self.names = [*stacked]
        self.stacked = nn.ParameterList(stacked.values())

    def forward(self, x: Tensor) -> Tensor:
        def one(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
            result: Tensor = functional_call(self.base, parameters, (x,))
            return result

        parameters = dict(zip(self.names, self.stacked, strict=True))
        result: Tensor = torch.vmap(one, in_dims=(0, self.dims))(parameters, x)
        return result


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6), st.booleans(), st.booleans())
def test_stacked_weights_count_for_each_member(
    members: int, inputs: int, outputs: int, bias: bool, one_input_each: bool
) -> None:
    x = r(members, 3, inputs) if one_input_each else r(3, inputs)
    module = Ensemble(nn.Sequential(nn.Linear(inputs, outputs, bias), nn.Tanh()), members, one_input_each)
    assert analyze(trace(module.eval(), x)).macs == members * 3 * inputs * outputs


def test_weights_of_functional_call() -> None:
    base = nn.Conv2d(3, 8, 3, bias=False)
    module = Calls(
        lambda s, x: functional_call(s.base, {"weight": s.other}, (x,)), base=base, other=nn.Parameter(r(2, 3, 1, 1))
    )
    assert counted(module, r(1, 3, 8, 8)) == 2 * 64 * 3
    assert analyze(trace(module, r(1, 3, 8, 8))).totals.params_used == 6


def test_self_attention_with_other_weights() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    module = Calls(lambda s, x: s.a(x, x, x, need_weights=False)[0], a=attention)
    macs = 5 * 8 * 24 + 5 * 8 * 8 + 2 * 2 * 5 * 5 * 4  # both projections, and two products for each of two heads
    assert analyze(trace(module.eval(), r(1, 5, 8))).macs == macs
    attention.out_proj.weight = nn.Parameter(r(4, 8))
    attention.out_proj.bias = nn.Parameter(r(4))
    assert analyze(trace(module, r(1, 5, 8))).macs == macs - 5 * 8 * 4


FLOAT32_LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "convolution": (nn.Conv2d(3, 4, 3), (1, 3, 8, 8)),
    "convolution without bias": (nn.Conv2d(3, 4, 3, bias=False), (1, 3, 8, 8)),
    "padded convolution": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (1, 3, 8, 8)),
    "transposed convolution": (nn.ConvTranspose2d(3, 4, 3), (1, 3, 8, 8)),
    "linear": (nn.Linear(8, 4), (2, 8)),
    "linear without bias": (nn.Linear(8, 4, bias=False), (2, 8)),
    "layer norm": (nn.LayerNorm(8), (2, 8)),
    "group norm": (nn.GroupNorm(1, 8), (2, 8)),
    "LSTM": (nn.LSTM(8, 4), (2, 3, 8)),
    "prelu": (nn.PReLU(), (2, 8)),
    "attention": (nn.MultiheadAttention(8, 2), (3, 2, 8)),
    "matrix product": (Calls(lambda s, x: x @ s.w, w=nn.Parameter(r(8, 4))), (2, 8)),
    "batch of products": (Calls(lambda s, x: torch.bmm(x, s.w), w=nn.Parameter(r(2, 8, 4))), (2, 3, 8)),
    "product added": (Calls(lambda s, x: torch.addmm(s.b, x, s.w), w=nn.Parameter(r(8, 4)), b=r(4)), (2, 8)),
    "einsum": (Calls(lambda s, x: torch.einsum("ab,bc", x, s.w), w=nn.Parameter(r(8, 4))), (2, 8)),
}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float64])
@pytest.mark.parametrize("name", FLOAT32_LAYERS)
def test_a_dtype_that_pytorch_refuses_is_refused(name: str, dtype: torch.dtype) -> None:
    layer, shape = FLOAT32_LAYERS[name]
    if name == "attention":
        layer = Calls(lambda s, x: s.a(x, x, x)[0], a=layer)
    module, x = nn.Sequential(layer).eval(), torch.ones(shape, dtype=dtype)
    with pytest.raises((RuntimeError, ValueError)):
        module(x)
    with pytest.raises(TraceError) as caught:
        trace(module, x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_embedding_takes_whole_numbers(dtype: torch.dtype) -> None:
    with pytest.raises(TraceError, match="Long, Int"):
        trace(nn.Sequential(nn.Embedding(9, 4)), torch.ones(1, 3, dtype=dtype))


@pytest.mark.parametrize(
    "function", [torch.sigmoid, torch.tanh, torch.relu, functional.hardtanh, functional.max_pool2d]
)
def test_functions_of_whole_numbers(function: Callable[..., Tensor]) -> None:
    x = torch.ones(1, 3, 4, 4, dtype=torch.int32)
    arguments = (2,) if function is functional.max_pool2d else ()
    graph = trace(Calls(lambda s, x: function(x, *arguments)), (x,))
    output = function(x, *arguments)
    assert graph.types[graph.outputs[0].node] == (TensorType(tuple(output.shape), str(output.dtype)[6:]),)


def test_half_a_norm_with_whole_weights() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1).bfloat16(), nn.BatchNorm2d(4)).eval()
    graph = trace(module, torch.ones(1, 3, 4, 4, dtype=torch.bfloat16))
    assert graph.types["1"] == (TensorType((1, 4, 4, 4), "bfloat16"),)


@pytest.mark.parametrize(
    ("call", "shapes"),
    [
        (torch.mm, ((2, 3, 4), (4, 5))),
        (torch.bmm, ((1, 2, 3), (4, 3, 2))),
        (torch.mv, ((2, 3), (3, 2))),
        (functional.prelu, ((2, 4), (3,))),
    ],
)
def test_shapes_that_pytorch_refuses_are_refused(
    call: Callable[..., Tensor], shapes: tuple[tuple[int, ...], ...]
) -> None:
    with pytest.raises(TraceError):
        trace(Calls(lambda s, *inputs: call(*inputs)), tuple(map(torch.rand, shapes)))


class Kept(nn.Module):
    """Calls whose weights are buffers, next to one with a learned bias."""

    blur: Tensor
    table: Tensor
    matrix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("blur", r(3, 1, 3, 3))
        self.register_buffer("table", r(10, 3))
        self.register_buffer("matrix", r(4, 3))
        self.bias = nn.Parameter(r(4))
        self.constants = [r(10, 3)]

    def forward(self, image: Tensor, indices: Tensor) -> tuple[Tensor, ...]:
        positions = functional.embedding(indices, self.constants[0]) + functional.embedding(indices, self.table)
        return functional.conv2d(image, self.blur, groups=3), functional.linear(positions, self.matrix, self.bias)


def test_a_weight_that_is_a_buffer_is_not_learned() -> None:
    module = Kept()
    graph = trace(module, (r(1, 3, 8, 8), torch.tensor([[1, 2]])), mode="training")
    totals = analyze(graph).totals
    assert totals.params == totals.params_trainable == sum(each.numel() for each in module.parameters()) == 4
    assert totals.buffers == sum(each.numel() for each in module.buffers()) == 27 + 30 + 12
    assert totals.macs == 3 * 36 * 9 + 2 * 3 * 4
    assert totals.backward_macs == 0  # the images need no gradient, and the bias multiplies nothing
    assert totals.exact
    assert [type(node.op).__name__ for node in graph.nodes if node.op.has_weights] == [
        "Stored", "Embedding", "Conv2d", "Linear"
    ]  # fmt: skip
