"""Recurrent layers."""

import pytest

from inception_lens.ops import GRU, LSTM, RNN, Op, Shape, TensorType
from inception_lens.ops.recurrent import MAX_LAYERS

SEQUENCE = (5, 2, 4)


@pytest.mark.parametrize(
    ("op", "shape", "outputs"),
    [
        (RNN(3), SEQUENCE, [(5, 2, 3), (1, 2, 3)]),
        (RNN(3), (5, 4), [(5, 3), (1, 3)]),
        (GRU(3, batch_first=True), SEQUENCE, [(5, 2, 3), (1, 5, 3)]),
        (GRU(3, layers=2, bidirectional=True), SEQUENCE, [(5, 2, 6), (4, 2, 3)]),
        (LSTM(3, proj_size=2), SEQUENCE, [(5, 2, 2), (1, 2, 2), (1, 2, 3)]),
        (RNN(1, layers=MAX_LAYERS), SEQUENCE, [(5, 2, 1), (MAX_LAYERS, 2, 1)]),
    ],
    ids=str,
)
def test_the_outputs_are_the_sequence_and_the_last_states(op: Op, shape: Shape, outputs: list[Shape]) -> None:
    assert [output.shape for output in op.output_types((TensorType(shape),))] == outputs


@pytest.mark.parametrize(("op", "accepted"), [(RNN(3), {1, 2}), (GRU(3), {1, 2}), (LSTM(3), {1, 3})], ids=str)
def test_a_layer_accepts_its_initial_states(op: Op, accepted: set[int]) -> None:
    assert {inputs for inputs in range(5) if op.accepts(inputs)} == accepted


@pytest.mark.parametrize(
    ("op", "macs", "params"),
    [
        (RNN(3), 12 + 9, 12 + 9 + 6),
        (RNN(3, bias=False), 12 + 9, 12 + 9),
        (GRU(3), 3 * (12 + 9), 3 * (12 + 9 + 6)),
        (LSTM(3), 4 * (12 + 9), 4 * (12 + 9 + 6)),
        (LSTM(3, layers=2), 4 * (12 + 9 + 9 + 9), 4 * (12 + 9 + 9 + 9 + 12)),
        (LSTM(3, bidirectional=True), 8 * (12 + 9), 8 * (12 + 9 + 6)),
        (LSTM(3, proj_size=2), 4 * (12 + 6) + 6, 4 * (12 + 6 + 6) + 6),
    ],
    ids=str,
)
def test_every_step_multiplies_by_every_matrix(op: Op, macs: int, params: int) -> None:
    assert op.macs((SEQUENCE,), ()) == 10 * macs
    assert sum(tensor.elements for tensor in op.parameters(SEQUENCE)) == params


@pytest.mark.parametrize(("op", "flops"), [(RNN(3), 6 + 2 * 3), (GRU(3), 18 + 17 * 3), (LSTM(3), 24 + 22 * 3)], ids=str)
def test_other_flops_are_biases_and_the_arithmetic_of_each_unit(op: Op, flops: int) -> None:
    assert op.extra_flops((SEQUENCE,), ()) == 10 * flops
