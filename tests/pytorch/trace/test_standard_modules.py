"""The table of modules, read in both directions: a module that is written for an operation is read as it."""

import msgspec
import pytest
import torch
from torch import nn

from inception_lens import ops
from inception_lens.ops import Op, Shape
from inception_lens.pytorch.build.lowering import lower, module_class
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.pytorch.trace.standard_modules import READERS, operation_of
from inception_lens.writers.pytorch.module_table import MODULES, ROWS_OF
from inception_lens.writers.pytorch.modules import InputSize, ModuleRow
from tests.ops.test_table import SAMPLES

READ = {row.op for row in MODULES if row.readable is not None}

NOT_HELD: dict[type[Op], set[str]] = {
    ops.GELU: {"inplace"}, ops.Softplus: {"inplace"}, ops.PReLU: {"inplace"}, ops.Sigmoid: {"inplace"},
    ops.Tanh: {"inplace"},
}  # fmt: skip
"""Fields that the modules of PyTorch do not have."""


def called(row: ModuleRow) -> str:
    return f"{row.module} {row.op.__name__}"


@pytest.mark.parametrize("row", MODULES, ids=called)
def test_a_row_names_a_class_and_fields_that_exist(row: ModuleRow) -> None:
    assert issubclass(module_class(row.module, row.own), nn.Module)
    fields = {setting.field for setting in row.settings if not isinstance(setting, InputSize)} - {""}
    assert fields <= set(row.op.__struct_fields__)
    if row.readable is not None:
        assert set(row.op.__struct_fields__) - fields == NOT_HELD.get(row.op, set())


@pytest.mark.parametrize("op", sorted(READ - {ops.RNN, ops.LSTM, ops.GRU}, key=str), ids=lambda op: op.__name__)
def test_a_module_that_is_written_for_an_operation_is_read_as_it(op: type[Op]) -> None:
    sample, inputs = SAMPLES[op]
    assert operation_of(lower(sample, inputs), inputs[0].shape) == sample


@pytest.mark.parametrize("row", [row for row in MODULES if row.readable is not None], ids=called)
def test_every_class_that_is_read_has_a_reader(row: ModuleRow) -> None:
    assert module_class(row.module, row.own) in READERS


@pytest.mark.parametrize(
    ("module", "shape", "op"),
    [
        (nn.LSTM(4, 5, 2, bidirectional=True), (3, 2, 4), ops.LSTM(5, 2, bidirectional=True)),
        (nn.LSTM(4, 5, proj_size=3), (3, 2, 4), ops.LSTM(5, proj_size=3)),
        (nn.GRU(4, 5, bias=False, batch_first=True), (3, 2, 4), ops.GRU(5, bias=False, batch_first=True)),
        (nn.RNN(4, 5), (3, 2, 4), ops.RNN(5)),
        (nn.ReLU6(True), (2, 3), ops.Hardtanh(True, 0.0, 6.0)),
        (nn.Dropout2d(0.2, True), (2, 3, 4, 4), ops.Dropout(0.2, True, by_channel=True)),
        (nn.GELU("tanh"), (2, 3), ops.GELU(approximate="tanh")),
        (nn.Conv1d(4, 6, 3, padding="valid"), (2, 4, 9), ops.Conv1d(6, (3,))),
        (nn.Conv2d(4, 6, 3, padding="same"), (2, 4, 9, 9), ops.Conv2d(6, (3, 3), padding="same")),
        (
            nn.ConvTranspose2d(4, 6, 3, 2, 1, 1), (2, 4, 9, 9),
            ops.ConvTranspose2d(6, (3, 3), (2, 2), (1, 1), (1, 1), 1, True, (1, 1)),
        ),
        (
            nn.MaxPool2d(3, 2, 1, 2, True, True), (2, 4, 9, 9),
            ops.MaxPool2d((3, 3), (2, 2), (1, 1), "ceil", (2, 2), True),
        ),
        (nn.AvgPool3d((1, 2, 2)), (2, 4, 8, 8, 8), ops.AvgPool3d((1, 2, 2), (1, 2, 2), (0, 0, 0))),
        (nn.AdaptiveAvgPool2d((None, 3)), (2, 4, 9, 8), ops.AdaptiveAvgPool2d((9, 3))),
        (nn.BatchNorm2d(4, 1e-3, None, False, False), (2, 4, 5, 5), ops.BatchNorm2d(1e-3, None, False, False, False)),
        (nn.LayerNorm(4, bias=False), (2, 4), ops.LayerNorm((4,), 1e-5, True, False)),
        (nn.Embedding(7, 3, dtype=torch.float16), (2, 4), ops.Embedding(7, 3, "float16")),
    ],
    ids=lambda value: str(value) if isinstance(value, nn.Module) else "",
)  # fmt: skip
def test_settings_are_read_as_fields(module: nn.Module, shape: Shape, op: Op) -> None:
    assert operation_of(module, shape) == op


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), (2, 4, 9, 9)),
        (nn.Conv2d(4, 6, 3), (4, 9, 9)),
        (nn.Conv2d(4, 6, 3), (2, 5, 9, 9)),
        (nn.ConvTranspose2d(4, 6, 3), (4, 9, 9)),
        (nn.Linear(4, 3), (2, 5)),
        (nn.Linear(4, 3), ()),
        (nn.AvgPool2d(2, divisor_override=3), (2, 4, 9, 9)),
        (nn.AdaptiveMaxPool2d(2, return_indices=True), (2, 4, 9, 9)),
        (nn.BatchNorm1d(4), (4,)),
        (nn.BatchNorm1d(4), (2, 5)),
        (nn.GroupNorm(2, 4), (2, 6, 3)),
        (nn.InstanceNorm2d(4), (4, 5, 5)),
        (nn.Embedding(7, 3, max_norm=1.0), (2,)),
        (nn.RNN(4, 5, nonlinearity="relu"), (3, 2, 4)),
        (nn.LSTM(4, 5), (3, 2, 6)),
        (nn.Flatten(-2), (2, 3, 4)),
        (nn.Softplus(beta=2), (2, 3)),
        (nn.Softplus(threshold=5), (2, 3)),
        (nn.Dropout2d(), (3, 4, 4)),
        (nn.Upsample(scale_factor=2), (2, 3, 4, 4)),
    ],
    ids=str,
)
def test_a_module_that_the_operation_does_not_describe_is_run(module: nn.Module, shape: Shape) -> None:
    assert operation_of(module, shape) is None


def test_a_subclass_of_a_standard_module_is_run() -> None:
    class Doubles(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(x)

    assert operation_of(Doubles(4, 3), (2, 4)) is None
    assert [node.op.kind for node in trace(Doubles(4, 3), (2, 4)).nodes] == ["Linear", "mul"]


def test_every_operation_has_rows_unless_it_does_not_define_what_it_computes() -> None:
    assert {op for op, rows in ROWS_OF.items() if not rows} == {ops.Declared, ops.Unknown}
    assert {row.op for row in MODULES} <= set(ops.OPS)


IN_PLACE = [op for op in READ if "inplace" in op.__struct_fields__ and op not in NOT_HELD]


@pytest.mark.parametrize("op", sorted(IN_PLACE, key=str), ids=lambda op: op.__name__)
def test_an_operation_in_place_is_written_as_a_module_in_place(op: type[Op]) -> None:
    sample, inputs = SAMPLES[op]
    x = torch.rand(inputs[0].shape)
    assert lower(msgspec.structs.replace(sample, inplace=True), inputs)(x).data_ptr() == x.data_ptr()
    assert lower(sample, inputs)(x).data_ptr() != x.data_ptr()
