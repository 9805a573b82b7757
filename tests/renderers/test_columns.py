"""The columns of a summary: exact for programs, short for people, honest about the unknown."""

import pytest

import inception_lens as il
from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.modules import summed
from inception_lens.errors import ConfigError
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import Conv2d, TensorType, Unknown
from inception_lens.renderers.columns import COLUMNS, TRAINING, pick, sort_key

SUMS = [key for key, column in COLUMNS.items() if column.sums]
COSTS = ["macs", "flops", "backward_macs"]


@pytest.fixture(scope="module")
def paper() -> Analysis:
    return il.analyze("googlenet")


@pytest.fixture(scope="module")
def training() -> Analysis:
    return il.analyze("googlenet", mode="training")


@pytest.fixture(scope="module")
def uncounted() -> Analysis:
    """A convolution and behind it an operation that nobody knows."""
    nodes = [
        Node("conv", Conv2d(4, (1, 1)), ("input",)),
        Node("odd", Unknown("Odd", (TensorType((1, 4, 8, 8)),)), ("conv",)),
    ]
    return il.analyze(Graph.of([Input("input", TensorType((1, 3, 8, 8)))], nodes, [Output("odd")], "training"))


def test_the_catalogue_of_columns_is_by_key() -> None:
    assert all(key == column.key for key, column in COLUMNS.items())
    assert len({column.title for column in COLUMNS.values()}) == len(COLUMNS)


@pytest.mark.parametrize("key", SUMS)
@pytest.mark.parametrize("depth", [1, 2, 9])
def test_the_parts_sum_to_the_whole(training: Analysis, key: str, depth: int) -> None:
    column = COLUMNS[key]
    whole = column.exact(training.whole)
    assert sum(column.exact(group) for group in training.by_module(depth)) == whole
    assert whole == getattr(training.totals, key)


def test_a_column_of_one_layer_is_its_json(paper: Analysis) -> None:
    group = next(group for group in paper.by_module(9) if group.name == "inception_3a/5x5_reduce")
    exact = {key: column.exact(group) for key, column in COLUMNS.items() if key not in TRAINING}
    assert exact == exact | {
        "op": "Conv2d", "inputs": "pool2/3x3_s2", "kernel": "1x1", "stride": "1x1", "output_shape": "1x16x28x28",
        "params": 3088, "macs": 2_408_448, "weight_bytes": 12_352, "activation_bytes": 50_176, "receptive_field": 27,
        "jump": 8,
    }  # fmt: skip


def test_people_get_units_and_no_batch(paper: Analysis) -> None:
    group = next(group for group in paper.by_module(9) if group.name == "inception_3a/5x5_reduce")
    shown = {key: COLUMNS[key].text(group) for key in ("output_shape", "params", "macs", "activation_bytes", "buffers")}
    assert shown == {
        "output_shape": "16x28x28", "params": "3,088", "macs": "2.408 M", "activation_bytes": "50.2 kB", "buffers": "-",
    }  # fmt: skip


@pytest.mark.parametrize("key", COSTS)
def test_the_unknown_is_a_question_mark_and_no_number(uncounted: Analysis, key: str) -> None:
    odd = summed("odd", uncounted.layers[1:])
    assert COLUMNS[key].text(odd) == "?"
    assert COLUMNS[key].exact(odd) is None


@pytest.mark.parametrize("key", COSTS)
def test_a_sum_that_leaves_something_out_says_at_least(uncounted: Analysis, key: str) -> None:
    assert COLUMNS[key].text(uncounted.whole).startswith(">= ")
    assert COLUMNS[key].exact(uncounted.whole) is None


@pytest.mark.parametrize("key", ["params", "activation_bytes", "weight_bytes"])
def test_what_an_unknown_operation_leaves_known_is_exact(uncounted: Analysis, key: str) -> None:
    assert COLUMNS[key].exact(uncounted.whole) == getattr(uncounted.totals, key)
    assert not COLUMNS[key].text(uncounted.whole).startswith(">=")


def test_columns_come_in_the_order_asked_for(paper: Analysis) -> None:
    assert [column.key for column in pick(["macs", "op", "params"], (), paper)] == ["macs", "op", "params"]


@pytest.mark.parametrize("key", TRAINING)
def test_columns_of_training_are_there_in_training_alone(paper: Analysis, training: Analysis, key: str) -> None:
    assert pick(None, [key], paper) == []
    assert pick(None, [key], training) == [COLUMNS[key]]
    assert pick([key], (), training) == [COLUMNS[key]]
    with pytest.raises(ConfigError, match="--mode training"):
        pick([key], (), paper)


def test_an_unknown_column_is_refused_with_the_nearest(paper: Analysis) -> None:
    with pytest.raises(ConfigError, match=r"`parms` is no column.*`params`"):
        pick(["parms"], (), paper)


def test_sorting_puts_the_largest_first(paper: Analysis) -> None:
    sizes = [group.params for group in sorted(paper.by_module(1), key=sort_key("params"))]
    assert sizes[0] == 1_444_080
    assert sizes == sorted(sizes, reverse=True)


def test_sorting_takes_the_unknown_for_nothing(uncounted: Analysis) -> None:
    assert [group.name for group in sorted(uncounted.by_module(1), key=sort_key("macs"))] == ["conv", "odd"]


@pytest.mark.parametrize("key", ["op", "output_shape", "mcas", ""])
def test_what_has_no_order_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="is no column to sort by"):
        sort_key(key)
