"""`inception-lens summary`: the contract of its JSON, and every option as a user meets it."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from inception_lens.cli import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def printed(capsys: Capture, *arguments: str) -> str:
    """What `summary` prints."""
    code = run(["summary", *arguments])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return out


def record(capsys: Capture, *arguments: str) -> Any:
    """The JSON that `summary` prints."""
    return json.loads(printed(capsys, *arguments, "--format", "json"))


def layers(given: Any) -> dict[str, Any]:
    return {layer["name"]: layer for layer in given["layers"]}


def modules(text: str) -> list[str]:
    """First words of the rows of a printed table."""
    lines = text.splitlines()
    rules = [at for at, line in enumerate(lines) if set(line) in ({"─"}, {"-"})]
    return [line.split()[0] for line in lines[rules[0] + 1 : rules[1]]]


def test_the_json_has_the_fields_of_the_contract(capsys: Capture) -> None:
    given = record(capsys)
    assert set(given) >= {"schema", "model", "inputs", "totals", "layers", "uncounted"}
    assert given["schema"] == "inception-lens/analysis/1"
    assert given["model"] == given["model"] | {"name": "googlenet", "source": "catalogue", "mode": "inference"}
    assert given["inputs"] == [{"name": "input", "shape": [1, 3, 224, 224], "dtype": "float32"}]
    assert set(given["totals"]) >= {
        "params", "params_trainable", "params_used", "buffers", "macs", "flops", "weight_bytes", "activation_bytes",
        "peak_activation_bytes", "exact",
    }  # fmt: skip
    for layer in given["layers"]:
        assert set(layer) >= {
            "name", "op", "inputs", "input_shapes", "output_shape", "kernel", "stride", "params", "macs", "flops",
            "activation_bytes", "receptive_field",
        }  # fmt: skip
    assert given["uncounted"] == []


def test_the_example_layer_is_exact(capsys: Capture) -> None:
    layer = layers(record(capsys))["inception_3a/5x5_reduce"]
    assert layer == layer | {
        "op": "Conv2d", "inputs": ["pool2/3x3_s2"], "input_shapes": [[1, 192, 28, 28]],
        "output_shape": [1, 16, 28, 28], "kernel": [1, 1], "stride": [1, 1], "params": 3088, "macs": 2_408_448,
        "activation_bytes": 50_176,
    }  # fmt: skip


def test_the_totals_are_those_of_the_paper_s_network(capsys: Capture) -> None:
    totals = record(capsys)["totals"]
    assert totals == totals | {
        "params": 6_998_552, "params_trainable": 6_998_552, "params_used": 6_998_552, "buffers": 0,
        "macs": 1_582_671_872, "weight_bytes": 27_994_208, "exact": True,
    }  # fmt: skip
    assert not set(totals) & {"backward_macs", "gradient_bytes", "optimizer_bytes", "saved_activation_bytes"}


def test_training_keeps_the_heads_and_adds_the_backward_pass(capsys: Capture) -> None:
    given = record(capsys, "googlenet", "--mode", "training")
    totals = given["totals"]
    assert given["model"]["mode"] == "training"
    assert totals == totals | {
        "params": 13_378_280, "macs": 1_591_044_096, "gradient_bytes": 53_513_120, "optimizer_bytes": 53_513_120,
        # twice the forward's, without the gradient by the image, which is not needed
        "backward_macs": 2 * 1_591_044_096 - layers(given)["conv1/7x7_s2"]["macs"],
    }  # fmt: skip
    assert {"aux1/classifier", "aux2/classifier"} <= set(layers(given))
    assert "prob" not in layers(given)


@pytest.mark.parametrize("arguments", [[], ["--mode", "training"], ["googlenet@torchvision"], ["--batch", "3"]])
def test_layers_sum_to_totals_in_exact_integers(capsys: Capture, arguments: list[str]) -> None:
    given = record(capsys, *arguments)
    keys = ["params", "params_trainable", "buffers", "macs", "flops", "weight_bytes", "activation_bytes"]
    for key in keys + (["backward_macs", "saved_activation_bytes"] if "training" in arguments else []):
        values = [layer[key] for layer in given["layers"]]
        assert all(type(value) is int for value in values)
        assert sum(values) == given["totals"][key]


def test_every_input_of_a_layer_is_an_earlier_layer_or_the_input(capsys: Capture) -> None:
    given = record(capsys)
    shapes = {"input": given["inputs"][0]["shape"]}
    for layer in given["layers"]:
        assert [shapes[name] for name in layer["inputs"]] == layer["input_shapes"]
        shapes[layer["name"]] = layer["output_shape"]


def test_the_model_is_googlenet_if_left_out(capsys: Capture) -> None:
    assert printed(capsys) == printed(capsys, "googlenet")


def test_names_are_case_insensitive(capsys: Capture) -> None:
    assert record(capsys, "GoogLeNet@TorchVision") == record(capsys, "googlenet@torchvision")


def test_batch_multiplies_cost_and_activations_but_not_weights(capsys: Capture) -> None:
    one, eight = record(capsys), record(capsys, "--batch", "8")
    assert eight["inputs"][0]["shape"] == [8, 3, 224, 224]
    for key in ("macs", "flops", "activation_bytes"):
        assert eight["totals"][key] == 8 * one["totals"][key]
    for key in ("params", "weight_bytes"):
        assert eight["totals"][key] == one["totals"][key]


@pytest.mark.parametrize(("dtype", "bytes_each"), [("float64", 8), ("float16", 2), ("bfloat16", 2), ("int8", 1)])
def test_dtype_sets_the_bytes_of_weights_and_activations(capsys: Capture, dtype: str, bytes_each: int) -> None:
    given = record(capsys, "--dtype", dtype)
    assert given["inputs"][0]["dtype"] == dtype
    assert given["totals"]["weight_bytes"] == 6_998_552 * bytes_each
    assert layers(given)["inception_3a/5x5_reduce"]["activation_bytes"] == 12_544 * bytes_each
    assert given["totals"]["macs"] == 1_582_671_872


@pytest.mark.parametrize(
    ("text", "shape"),
    [("2x1x96x128", [2, 1, 96, 128]), ("3x64x64", [1, 3, 64, 64]), ("64", [1, 3, 64, 64])],
)
def test_input_is_a_batch_an_image_or_a_side(capsys: Capture, text: str, shape: list[int]) -> None:
    given = record(capsys, "--input", text)
    assert given["inputs"][0]["shape"] == shape
    assert given["layers"][0]["input_shapes"] == [shape]
    assert given["layers"][-1]["output_shape"] == [shape[0], 1000]


def test_batch_overrides_the_batch_of_the_input(capsys: Capture) -> None:
    assert record(capsys, "--input", "2x3x64x64", "--batch", "5")["inputs"][0]["shape"] == [5, 3, 64, 64]


def test_set_classes(capsys: Capture) -> None:
    given = record(capsys, "--set", "classes=10")
    assert given["totals"]["params"] == 6_998_552 - 990 * 1025
    assert layers(given)["loss3/classifier"]["output_shape"] == [1, 10]


def test_set_width(capsys: Capture) -> None:
    assert layers(record(capsys, "--set", "width=0.5"))["inception_3a/output"]["output_shape"] == [1, 128, 28, 28]


@pytest.mark.parametrize(("text", "shape"), [("1x64x96", [1, 1, 64, 96]), ("64", [1, 3, 64, 64])])
def test_set_input(capsys: Capture, text: str, shape: list[int]) -> None:
    assert record(capsys, "--set", f"input={text}")["inputs"][0]["shape"] == shape


def test_set_norm(capsys: Capture) -> None:
    ops = {
        norm: {layer["op"] for layer in record(capsys, "--set", f"norm={norm}")["layers"]}
        & {"BatchNorm2d", "LocalResponseNorm"}
        for norm in ("lrn", "batch", "none")
    }
    assert ops == {"lrn": {"LocalResponseNorm"}, "batch": {"BatchNorm2d"}, "none": set()}


def test_set_bias(capsys: Capture) -> None:
    without = record(capsys, "--set", "bias=false")
    assert layers(without)["inception_3a/5x5_reduce"]["params"] == 3072
    assert layers(without)["loss3/classifier"]["params"] == 1_025_000


def test_set_final_pool(capsys: Capture) -> None:
    pool = layers(record(capsys, "--set", "final_pool=7x7/1"))["pool5/7x7_s1"]
    assert (pool["op"], pool["kernel"], pool["output_shape"]) == ("AvgPool2d", [7, 7], [1, 1024, 1, 1])
    assert layers(record(capsys))["pool5/7x7_s1"]["op"] == "AdaptiveAvgPool2d"


@pytest.mark.parametrize(("value", "heads"), [("none", 0), ("inception_4b", 1), ("inception_4a,inception_4d", 2)])
def test_set_aux(capsys: Capture, value: str, heads: int) -> None:
    names = layers(record(capsys, "--mode", "training", "--set", f"aux={value}"))
    assert len([name for name in names if name.startswith("aux") and name.endswith("/classifier")]) == heads


def test_set_dropout(capsys: Capture) -> None:
    assert "dropout" in layers(record(capsys))
    assert "dropout" not in layers(record(capsys, "--set", "dropout=0"))


def test_set_a_column_of_a_module(capsys: Capture) -> None:
    given = layers(record(capsys, "--set", "inception_3a/5x5_reduce=24"))
    assert given["inception_3a/5x5_reduce"]["params"] == 192 * 24 + 24
    assert given["inception_3a/5x5"]["params"] == 24 * 25 * 32 + 32
    assert given["inception_3b/5x5_reduce"]["output_shape"] == [1, 32, 28, 28]


def test_the_last_setting_of_a_key_counts(capsys: Capture) -> None:
    given = record(capsys, "--set", "classes=7", "--set", "norm=none", "--set", "classes=10")
    assert layers(given)["loss3/classifier"]["output_shape"] == [1, 10]
    assert "conv2/norm2" not in layers(given)


def test_a_config_is_a_model(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text('base = "googlenet@torchvision"\nclasses = 10\n', encoding="utf-8")
    given = record(capsys, str(path), "--set", "dropout=0")
    assert given["model"] == given["model"] | {"name": "small", "source": "config"}
    assert layers(given)["loss3/classifier"]["output_shape"] == [1, 10]
    assert given["totals"]["buffers"] > 0


def test_depth_opens_levels(capsys: Capture) -> None:
    first = modules(printed(capsys, "--depth", "1"))
    second = modules(printed(capsys, "--depth", "2"))
    every = modules(printed(capsys, "--depth", "all"))
    assert first[4:6] == ["inception_3a", "inception_3b"]
    assert second[second.index("inception_3a") + 1] == "1x1"
    assert len(first) < len(second) < len(every)
    assert printed(capsys, "--depth", "1") == printed(capsys)
    assert printed(capsys, "--depth", "1000") == printed(capsys, "--depth", "all")


def test_sort_puts_the_largest_first(capsys: Capture) -> None:
    assert modules(printed(capsys, "--sort", "macs"))[:3] == ["conv2", "inception_3b", "inception_4e"]


def test_columns_are_shown_in_the_order_given(capsys: Capture) -> None:
    text = printed(capsys, "--columns", "receptive_field,params")
    assert next(line for line in text.splitlines() if line.startswith("module")).split() == [
        "module", "field", "params",
    ]  # fmt: skip


def test_sort_and_columns_reach_every_table(capsys: Capture) -> None:
    for name, first in (
        ("csv", "inception_5b,1444080"),
        ("markdown", r"| inception\_5b"),
        ("latex", r"inception\_5b &"),
    ):
        text = printed(capsys, "--format", name, "--depth", "1", "--sort", "params", "--columns", "params")
        assert any(line.startswith(first) for line in text.splitlines()[:12])


def test_csv_holds_every_layer_unless_a_depth_is_given(capsys: Capture) -> None:
    every = list(csv.DictReader(io.StringIO(printed(capsys, "--format", "csv"))))
    first = list(csv.DictReader(io.StringIO(printed(capsys, "--format", "csv", "--depth", "1"))))
    assert sum(int(row["macs"]) for row in every) == sum(int(row["macs"]) for row in first) == 1_582_671_872
    assert "inception_3a/5x5_reduce" in {row["name"] for row in every}
    assert "inception_3a" in {row["name"] for row in first}


FORMATS = {
    "txt": ("table", "googlenet: "),
    "json": ("json", '{\n  "schema"'),
    "csv": ("csv", "name,op,"),
    "md": ("markdown", "## googlenet: "),
    "tex": ("latex", r"\begin{table}"),
    "html": ("html", "<!DOCTYPE html>"),
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_suffix_of_the_file_names_the_format(capsys: Capture, tmp_path: Path, suffix: str) -> None:
    name, start = FORMATS[suffix]
    path = tmp_path / f"out.{suffix.upper() if suffix == 'md' else suffix}"
    assert printed(capsys, "-o", str(path)) == ""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(start)
    assert text.endswith("\n")
    assert printed(capsys, "--format", name) == text


def test_format_overrides_the_suffix(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    assert printed(capsys, "--format", "json", "-o", str(path)) == ""
    assert json.loads(path.read_text(encoding="utf-8"))["totals"]["params"] == 6_998_552


def test_a_dash_is_standard_output(capsys: Capture) -> None:
    assert printed(capsys, "-o", "-") == printed(capsys)


HOSTILE = [
    "<script>alert(1)<∕script>", "=cmd()", "\"q\"'", "a\nb", "\x1b[31mred", "[red]markup[∕red]", "|{}",
    "\\input{x}$&%#_^~", "--help", "日本語", " ",
]  # fmt: skip


@pytest.fixture(params=HOSTILE, ids=ascii)
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A config whose file name holds what some format would take for its own syntax."""
    path: Path = tmp_path / f"{request.param}.toml"
    path.write_text("classes = 10\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["table", "csv", "markdown", "latex", "html"])
def test_a_hostile_file_name_is_text(capsys: Capture, hostile: Path, name: str) -> None:
    text = printed(capsys, str(hostile), "--format", name)
    assert all(char == "\n" or char.isprintable() for char in text)
    assert name != "html" or "<script" not in text
    assert name != "latex" or r"\input" not in text


def test_csv_does_not_depend_on_the_file_s_name(capsys: Capture, hostile: Path) -> None:
    assert printed(capsys, str(hostile), "--format", "csv") == printed(capsys, "--set", "classes=10", "--format", "csv")


def test_a_hostile_file_name_is_exact_in_json(capsys: Capture, hostile: Path) -> None:
    assert record(capsys, str(hostile))["model"]["name"] == hostile.stem


def test_a_hostile_file_name_is_text_in_an_error(capsys: Capture, hostile: Path) -> None:
    hostile.write_text("clases = 10\n", encoding="utf-8")
    assert run(["summary", str(hostile)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert all(char == "\n" or char.isprintable() for char in err)
    assert "toml:1: `clases` is not a key (did you mean `classes`" in err


def test_several_models_are_a_row_each(capsys: Capture) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "googlenet", "lenet", "--format", "csv"))))
    assert [(row["name"], row["params"]) for row in rows] == [("googlenet", "6998552"), ("lenet", "61706")]
    records = record(capsys, "googlenet", "lenet", "--mode", "training")
    assert [each["model"]["name"] for each in records] == ["googlenet", "lenet"]
    assert records[0]["totals"]["params"] == 13_378_280
    assert "peak" in printed(capsys, "googlenet", "lenet")


def test_options_of_one_model_are_refused_for_several(capsys: Capture) -> None:
    assert run(["summary", "googlenet", "lenet", "--depth", "2"]) == 2
    assert "--depth, --sort and --columns show the modules of one model" in capsys.readouterr().err
