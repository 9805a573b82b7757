"""Random command lines, settings and configs: each is carried out, or refused with one line."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.cli import COMMANDS
from tests.attack.harness import COUNTS, check, run_command, scaled, time_limit

TARGET = "command lines"
FOLDER = Path(tempfile.gettempdir()) / "does-not-exist"
MODELS = ["googlenet", "lenet", "googlenet@torchvision", "inception_v3", "resnet50", "nowhere", "", ".", "-", "os:system",
          "a.b:c", "x.toml", "x.onnx", "x.prototxt", "x.pt2", "x.py:f", "@", "googlenet@", "@caffe", "GoogLeNet", "googelnet"]  # fmt: skip
NUMBERS = ["0", "-1", "1", "2", "7", "24", "1e3", "1e999", "nan", "-inf", "0x10", "1_0", "²", "٣", "9" * 30, "2147483648",
           "99999999999", "0.5", "0.0001", "1e-320", "none", "None", "true", "", " ", "8..4..1", "4..8..0", "1..9999999999",
           "1x3x224x224", "3x8x8", "1x1x1x1", "999999999x3x999999999x999999999", "x" * 50, "1x" * 2_000 + "1", "1,2", "[1,2]"]  # fmt: skip
KEYS = ["classes", "width", "input", "norm", "bias", "final_pool", "aux", "dropout", "inception_3a/5x5_reduce", "5x5", "1x1",
        "modules", "inception_3a", "inception_3a.5x5", "base", "softmax", "activation", "Mixed_5b", "__class__", "nowhere", "/", "."]  # fmt: skip
CHOICES = ["json", "csv", "markdown", "latex", "html", "table", "network", "module", "layer", "paper", "macs", "params",
           "training", "inference", "all", "float16", "int8", "h200", "h200:float32", "list", "naive,heads", "out.svg", "toml"]  # fmt: skip
FAST_COMMANDS = [
    name for name in COMMANDS if name not in ("train", "ablate", "bench", "evaluate", "predict", "verify", "profile")
]
EXCLUDED_OPTIONS = {"--measure", "--verify", "--help", "--weights", "-o", "--output"}


def options_of(name: str) -> list[str]:
    from inception_lens.cli import lens

    command = lens.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    found = [option for each in command.params for option in each.opts if option.startswith("-")]
    return sorted(set(found) - EXCLUDED_OPTIONS)


words = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(CHOICES),
    st.sampled_from(MODELS),
    st.builds("{}={}".format, st.sampled_from(KEYS), st.sampled_from([*NUMBERS, *CHOICES])),
    st.text(max_size=12),
)
lines = st.sampled_from(FAST_COMMANDS).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.lists(st.sampled_from(MODELS), max_size=2),
        st.lists(st.tuples(st.sampled_from(options_of(name) or ["--nowhere"]), words), max_size=4),
    )
)


@settings(max_examples=scaled(2_000))
@given(lines)
def test_command_lines(line: tuple[str, list[str], list[tuple[str, str]]]) -> None:
    name, models, given = line
    call = [name, *models, *[word for pair in given for word in pair]]
    call += ["--weights", "none"] if name == "export" else []
    if name == "plot":
        call += ["-o", str(FOLDER / "net.svg")]
    if {"completion", "--measure"} & set(call):
        return
    check(TARGET, run_command(call), call)


@settings(max_examples=scaled(500))
@given(
    st.lists(
        st.one_of(st.text(max_size=20), st.sampled_from([*FAST_COMMANDS, "--help", "-h", "--version", "--", "-"])),
        max_size=5,
    )
)
def test_words(call: list[str]) -> None:
    outcome = run_command(call)
    if call:  # without a word the command prints its help with exit code 2
        check(TARGET, outcome, call)


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str) -> None:
    assert check(TARGET, run_command([name, "--help"]), name).code == 0


scalars = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(0, 300), st.floats(), st.booleans(), st.text(max_size=20), st.none(),
    st.sampled_from([*NUMBERS, *CHOICES]),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=scaled(1_500))
@given(
    base=st.sampled_from(["googlenet", "inception_v3", "resnet50", "lenet", "vgg16", "nowhere", "xception"]),
    keys=st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), values, max_size=4),
)
def test_configs(tmp_path_factory: pytest.TempPathFactory, base: str, keys: dict[str, Any]) -> None:
    import tomlkit

    config = {"base": base, **{key: value for key, value in keys.items() if value is not None and key}}
    try:
        text = tomlkit.dumps(_without_none(config))
    except Exception:
        return  # TOML cannot represent it
    path = tmp_path_factory.getbasetemp() / "random.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    check("configs", run_command(["summary", str(path), "--format", "json"]), text)


WORDS = [
    "base", "classes", "modules", "inception_3a", "5x5_reduce", "=", " = ", "[", "]", "[[", "]]", "{", "}", ".", ",", '"', '"""',
    "'" * 3, "'", "#", "\n", "\n\n", "\r", "\\", "\\u0041", '"googlenet"', '"inception_v3"', "true", "none", "1e9", "-0", "0x_",
    "1979-05-27", "inf", "nan", "\0", "é",
]  # fmt: skip


@settings(max_examples=scaled(1_000))
@given(text=st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=30).map("".join))
def test_toml_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "random.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    check("configs", run_command(["summary", str(path)]), text)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return [_without_none(each) for each in value if each is not None] if isinstance(value, list) else value


@settings(max_examples=scaled(1_500))
@given(
    st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), scalars, max_size=4),
    st.sampled_from(["googlenet", "inception_v4", "resnet50", "alexnet"]),
)
def test_overrides_in_python(keys: dict[str, Any], name: str) -> None:
    """`load` accepts any keys, or raises an error of this package."""
    import inception_lens as il

    COUNTS["configs"] += 1
    with time_limit():
        try:
            il.analyze(il.load(name, overrides=keys))
        except il.InceptionLensError as error:
            assert str(error)
