"""The table of a summary: exact cells, unknown ones marked, columns that add up to the totals."""

import importlib

import msgspec
import pytest

import inception_lens as il
from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.modules import summed
from inception_lens.errors import ConfigError
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import UNKNOWN_SIZE, Conv2d, Flatten, Linear, Parameter, TensorType, Unknown
from inception_lens.tables.summary import QUANTITIES, TRAINING, facts, pick, sort_key, summary_table
from inception_lens.tables.table import AtLeast

SUMS = [key for key, quantity in QUANTITIES.items() if quantity.sums and key != "params_nonzero"]  # of pruned models
COSTS = ["macs", "flops", "backward_macs"]


@pytest.fixture(scope="module")
def paper() -> Analysis:
    return il.analyze("googlenet")


@pytest.fixture(scope="module")
def training() -> Analysis:
    return il.analyze("googlenet", mode="training")


@pytest.fixture(scope="module")
def uncounted() -> Analysis:
    """A convolution, and after it an operation whose cost is unknown."""
    nodes = [
        Node("conv", Conv2d(4, (1, 1)), ("input",)),
        Node("odd", Unknown("Odd", (TensorType((1, 4, 8, 8)),)), ("conv",)),
    ]
    return il.analyze(Graph.of([Input("input", TensorType((1, 3, 8, 8)))], nodes, [Output("odd")], "training"))


def keys(analysis: Analysis, columns: list[str] | None = None) -> list[str]:
    return [quantity.column.key for quantity in pick(columns, analysis)]


def test_quantities_are_by_key() -> None:
    assert all(key == quantity.column.key for key, quantity in QUANTITIES.items())
    assert len({quantity.column.title for quantity in QUANTITIES.values()}) == len(QUANTITIES)


@pytest.mark.parametrize("key", SUMS)
@pytest.mark.parametrize("depth", [1, 2, 9])
def test_parts_add_up_to_the_total(training: Analysis, key: str, depth: int) -> None:
    table = summary_table(training, depth=depth, flat=True)
    at = [column.key for column in table.columns].index(key)
    (total,) = table.totals
    assert sum([cell for row in table.rows if isinstance(cell := row.cells[at], int)]) == total.cells[at]
    assert total.cells[at] == getattr(training.totals, key)


def test_sums_are_the_columns_of_the_totals() -> None:
    assert {"params", "macs", "flops", "weight_bytes", "activation_bytes"} <= set(SUMS)
    assert not {"output_shape", "live_bytes", "receptive_field", "jump"} & set(SUMS)


def test_cells_of_one_layer_are_its_json(paper: Analysis) -> None:
    group = next(group for group in paper.by_module(9) if group.name == "inception_3a/5x5_reduce")
    exact = {key: quantity.cell(group) for key, quantity in QUANTITIES.items() if key not in TRAINING}
    assert exact == exact | {
        "op": "Conv2d", "inputs": "pool2/3x3_s2", "kernel": (1, 1), "stride": (1, 1), "output_shape": (1, 16, 28, 28),
        "params": 3088, "macs": 2_408_448, "weight_bytes": 12_352, "activation_bytes": 50_176, "receptive_field": 27,
        "jump": 8,
    }  # fmt: skip


@pytest.mark.parametrize("key", COSTS)
def test_unknown_costs_are_none_and_sums_are_lower_bounds(uncounted: Analysis, key: str) -> None:
    assert QUANTITIES[key].cell(summed("odd", uncounted.layers[1:])) is None
    assert QUANTITIES[key].cell(uncounted.whole) == AtLeast(getattr(uncounted.totals, key))


@pytest.mark.parametrize("key", ["params", "activation_bytes", "weight_bytes"])
def test_known_columns_of_an_unknown_operation_are_exact(uncounted: Analysis, key: str) -> None:
    assert QUANTITIES[key].cell(uncounted.whole) == getattr(uncounted.totals, key)


def test_a_share_of_an_inexact_total_says_so(uncounted: Analysis) -> None:
    table = summary_table(uncounted)
    at = [column.key for column in table.columns].index("share")
    assert table.columns[at].title == "share of known"
    assert [row.cells[at] for row in table.rows] == [1.0, None]


def test_columns_have_the_requested_order_and_the_macs_their_share(paper: Analysis) -> None:
    assert keys(paper, ["macs", "op", "params"]) == ["macs", "share", "op", "params"]


@pytest.mark.parametrize("key", TRAINING)
def test_columns_of_training_exist_in_training_only(paper: Analysis, training: Analysis, key: str) -> None:
    assert key not in keys(paper)
    assert key in keys(training)
    assert key in keys(training, [key])
    with pytest.raises(ConfigError, match="--mode training"):
        pick([key], paper)


def test_a_network_without_an_image_has_no_receptive_field() -> None:
    nodes = [Node("add", Unknown("Odd", (TensorType((1, 4)),)), ("tokens",))]
    analysis = il.analyze(Graph.of([Input("tokens", TensorType((1, 4)))], nodes, [Output("add")]))
    assert not {"receptive_field", "jump"} & set(keys(analysis))


def test_an_unknown_column_names_the_nearest(paper: Analysis) -> None:
    with pytest.raises(ConfigError, match=r"`parms` is not a column.*`params`"):
        summary_table(paper, columns=["parms"])


def test_sorting_puts_the_largest_first(paper: Analysis) -> None:
    sizes = [group.params for group in sorted(paper.by_module(1), key=sort_key("params"))]
    assert sizes[0] == 1_444_080
    assert sizes == sorted(sizes, reverse=True)
    assert next(row.name for row in summary_table(paper, sort="params").rows) == "inception_5b"


def test_sorting_counts_the_unknown_as_zero(uncounted: Analysis) -> None:
    assert [group.name for group in sorted(uncounted.by_module(1), key=sort_key("macs"))] == ["conv", "odd"]


@pytest.mark.parametrize("key", ["op", "output_shape", "mcas", ""])
def test_a_column_without_order_is_refused(paper: Analysis, key: str) -> None:
    with pytest.raises(ConfigError, match="is not a column to sort by"):
        summary_table(paper, sort=key)


def test_a_depth_below_1_is_refused(paper: Analysis) -> None:
    for flat in (True, False):
        with pytest.raises(il.InceptionLensError, match="at least 1"):
            summary_table(paper, depth=0, flat=flat)


def test_flat_rows_are_layers_in_the_order_of_execution(paper: Analysis) -> None:
    table = summary_table(paper, depth=None, flat=True)
    assert [row.label for row in table.rows] == [layer.name for layer in paper.layers]


def test_the_facts_of_inference_and_training(paper: Analysis, training: Analysis) -> None:
    assert facts(paper) == ["FLOPs 3.190 G; weights 28.0 MB; peak activations 4.82 MB at conv2/norm2"]
    for part in (
        "backward 3.064 G MACs", "saved for the backward pass 48.3 MB", "gradients 53.5 MB",
        "optimizer state 53.5 MB (SGD with momentum) or 107 MB (Adam)",
    ):  # fmt: skip
        assert part in facts(training)[0]


def test_the_facts_name_what_is_not_counted(uncounted: Analysis) -> None:
    first, second = facts(uncounted)
    assert first.startswith("FLOPs >= ")
    assert second == "not counted, so that sums are lower bounds (>=): odd (Odd)"


def test_a_total_of_parameters_that_leaves_out_unknown_ones_is_a_lower_bound() -> None:
    unknown = Unknown("mystery", (TensorType((1, 3, 8, 8)),), params_known=False)
    nodes = [Node("odd", unknown, ("x",)), Node("conv", Conv2d(4, (3, 3)), ("odd",))]
    graph = Graph.of([Input("x", TensorType((1, 3, 8, 8)))], nodes, [Output("conv")])
    table = summary_table(il.analyze(graph))
    total = dict(zip([column.key for column in table.columns], table.totals[0].cells, strict=True))
    assert total["params"] == AtLeast(112)
    assert "weights >= 448 B" in table.notes[0]


@pytest.fixture(scope="module")
def partly_known() -> Graph:
    """Operations with unknown parameters: one alone, one in a module next to a convolution of 112 parameters."""
    type_ = TensorType((1, 3, 8, 8))
    unknown = Unknown("mystery", (type_,), params_known=False)
    nodes = [
        Node("alone", unknown, ("x",)),
        Node("block/deep/odd", unknown, ("alone",)),
        Node("block/deep/conv", Conv2d(4, (3, 3)), ("block/deep/odd",)),
        Node("block/pool", Conv2d(4, (1, 1)), ("block/deep/conv",)),
        Node("last", Conv2d(2, (1, 1)), ("block/pool",)),
    ]
    return Graph.of([Input("x", type_)], nodes, [Output("last")])


@pytest.mark.parametrize("column", ["params", "params_trainable", "weight_bytes", "macs", "flops"])
def test_every_row_above_unknown_costs_shows_them(partly_known: Graph, column: str) -> None:
    analysis = il.analyze(partly_known)
    table = summary_table(analysis, depth=None, columns=[column])
    cells = {row.name: row.cells[0] for row in (*table.rows, *table.totals)}
    known = {name for name, cell in cells.items() if not isinstance(cell, AtLeast | None)}
    assert known == {"block/deep/conv", "block/pool", "last"}
    assert {name for name, cell in cells.items() if cell is None} == {"alone", "block/deep/odd"}
    for depth in (1, 2, 3):
        shallow = summary_table(analysis, depth=depth, columns=[column], flat=True)
        assert all(isinstance(row.cells[0], AtLeast) for row in shallow.rows if row.label in ("block", "block/deep"))


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "html"])
def test_every_format_shows_lower_bounds_of_parameters(partly_known: Graph, form: str) -> None:
    render = importlib.import_module(f"inception_lens.renderers.tables.{form}").render
    table = summary_table(il.analyze(partly_known), columns=["params"])
    lines = (render(table, width=100) if form == "text" else render(table)).splitlines()
    found = {label: next(line for line in lines if label in line) for label in ("alone", "block", "last", "total")}
    bound = {"latex": r"\textgreater{}=", "html": "&gt;="}.get(form, ">=")
    assert {label for label, line in found.items() if bound in line} == {"block", "total"}, found
    assert "?" in found["alone"]
    assert "10" in found["last"]


@pytest.fixture(scope="module")
def boxes() -> Graph:
    """An unknown number of boxes, and a linear layer that reads each."""
    unknown = Unknown(
        "Boxes", (TensorType((UNKNOWN_SIZE, 4, 2, 2)), TensorType((), has_shape=False)), params_known=False
    )
    nodes = [
        Node("conv", Conv2d(4, (1, 1)), ("x",)),
        Node("boxes", unknown, ("conv",)),
        Node("flat", Flatten(), ("boxes",)),
        Node("fc", Linear(5), ("flat",)),
        Node("odd", Unknown("Odd", (TensorType((), has_shape=False),)), ("boxes:1",)),
    ]
    return Graph.of([Input("x", TensorType((1, 3, 8, 8)))], nodes, [Output("fc"), Output("odd")])


def test_an_unknown_size_is_none_in_every_column_that_depends_on_it(boxes: Graph) -> None:
    keys = ["output_shape", "params", "macs", "activation_bytes", "live_bytes"]
    table = summary_table(il.analyze(boxes), columns=keys)
    place = {column.key: i for i, column in enumerate(table.columns)}
    cells = {row.label: [row.cells[place[key]] for key in keys] for row in (*table.rows, *table.totals)}
    assert cells["boxes"] == [(None, 4, 2, 2), None, None, None, None]
    assert cells["fc"] == [(None, 5), 85, None, None, None]
    assert cells["odd"] == [None, 0, None, None, None]
    assert cells["total"][1:4] == [AtLeast(16 + 85), AtLeast(768), AtLeast(1024)]
    assert "peak activations >= 1.79 kB at conv" in table.notes[0]


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "html", "csv"])
def test_every_format_shows_unknown_sizes(boxes: Graph, form: str) -> None:
    render = importlib.import_module(f"inception_lens.renderers.tables.{form}").render
    table = summary_table(il.analyze(boxes), columns=["output_shape", "activation_bytes"])
    text = render(table, width=100) if form == "text" else render(table)
    odd = next(line for line in text.splitlines() if "odd" in line)
    assert " 4 B" not in text
    assert odd.count("?") == (0 if form == "csv" else 2)
    assert "scalar" not in text
    if form == "csv":
        assert text.splitlines()[4:] == ["fc,?x5,", "odd,,"]


def test_the_json_of_unknown_sizes_is_null(boxes: Graph) -> None:
    record = msgspec.json.decode(il.analyze(boxes).to_json())
    layers = {layer["name"]: layer for layer in record["layers"]}
    assert layers["boxes"]["output_shape"] == [None, 4, 2, 2]
    assert (layers["odd"]["output_shape"], layers["odd"]["input_shapes"]) == (None, [None])
    assert [layers["boxes"][key] for key in ("params", "weight_bytes", "activation_bytes", "live_bytes")] == [None] * 4
    assert not record["totals"]["activations_exact"]


def test_training_of_unknown_sizes_is_a_lower_bound(boxes: Graph) -> None:
    analysis = il.analyze(msgspec.structs.replace(boxes, mode="training"))
    assert {layer.name for layer in analysis.layers if layer.saved_activation_bytes is None} == {"boxes", "fc", "odd"}
    (text, *_) = facts(analysis)
    assert "backward >= 768 MACs" in text.replace("768.0", "768")
    assert "gradients >= 404 B; optimizer state >= 404 B (SGD with momentum) or >= 808 B (Adam)" in text


def test_declared_and_used_parameters_are_shown_if_they_differ() -> None:
    graph = Graph.of(
        [Input("x", TensorType((1, 3, 8, 8)))], [Node("conv", Conv2d(4, (3, 3)), ("x",))], [Output("conv")]
    )
    graph = msgspec.structs.replace(graph, unused=(Parameter("spare", (5,)),))
    assert "parameters declared 117, used 112" in facts(il.analyze(graph))[0]
    assert repr(il.analyze(graph)).endswith(": 117 parameters, 3,888 MACs>")
