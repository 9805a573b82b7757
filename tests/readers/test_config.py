"""TOML configs and overrides: what they change, and what their errors report."""

import os
from pathlib import Path

import pytest

from inception_lens.architectures.googlenet import ENTRIES, PAPER, GoogLeNet, InceptionModule
from inception_lens.errors import ConfigError
from inception_lens.readers.config import MAX_FILE_SIZE, configure, override, read_config

DIALECTS = {entry.dialect: (entry.config, entry.source) for entry in ENTRIES}


def written(folder: Path, text: str | bytes) -> str:
    path = folder / "net.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def refusal(path: str) -> str:
    """The message of the ConfigError, which is one line and begins with the file's path."""
    with pytest.raises(ConfigError) as caught:
        read_config(path)[0]
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(path)
    return message.removeprefix(path)


def refusal_of(path: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    return str(caught.value)


def test_an_empty_file_is_the_network_of_the_paper(tmp_path: Path) -> None:
    assert read_config(written(tmp_path, ""))[0] == PAPER


@pytest.mark.parametrize("dialect", [dialect for dialect in DIALECTS if dialect])
def test_a_base_is_a_network_of_the_catalogue(tmp_path: Path, dialect: str) -> None:
    assert read_config(written(tmp_path, f'base = "googlenet@{dialect}"'))[0] == DIALECTS[dialect][0]


def test_a_file_changes_only_its_keys(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, 'classes = 10\nnorm = "batch"\n[lrn]\nsize = 3\n'))[0]
    assert config == PAPER.replace(classes=10, norm="batch", lrn=PAPER.lrn.__class__(size=3))


@pytest.mark.parametrize(
    "text",
    [
        '[modules]\ninception_3a = { "5x5_reduce" = 24 }',
        '[modules.inception_3a]\n"5x5_reduce" = 24',
        'modules.inception_3a."5x5_reduce" = 24',
    ],
)
def test_one_column_of_one_module_can_be_changed(tmp_path: Path, text: str) -> None:
    config = read_config(written(tmp_path, text))[0]
    assert isinstance(config, GoogLeNet)
    assert config.modules["inception_3a"].reduce_5x5 == 24
    assert {name: row for name, row in config.modules.items() if name != "inception_3a"} == {
        name: row for name, row in PAPER.modules.items() if name != "inception_3a"
    }
    assert config.modules["inception_3a"].conv_5x5 == PAPER.modules["inception_3a"].conv_5x5


def test_a_module_set_to_none_is_removed(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, '[modules]\ninception_3a = "none"'))[0]
    assert isinstance(config, GoogLeNet)
    assert set(PAPER.modules) - set(config.modules) == {"inception_3a"}


def test_a_reduction_set_to_none_is_removed(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, '[modules]\ninception_3a = { pool_proj = "none" }'))[0]
    names = {node.name for node in config.graph().nodes}
    assert "inception_3a/pool_proj" not in names
    assert "inception_3b/pool_proj" in names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64", (3, 64, 64)),
        ('"64"', (3, 64, 64)),
        ('"1x32x48"', (1, 32, 48)),
        ("[1, 32, 48]", (1, 32, 48)),
    ],
)
def test_an_input_is_a_side_or_three_sizes(tmp_path: Path, text: str, expected: tuple[int, int, int]) -> None:
    assert read_config(written(tmp_path, f"input = {text}"))[0].input == expected


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("clases = 10", ":1: ", "`clases` is not a key (did you mean `classes`"),
        ("\n\nwidht = 2\n", ":3: ", "`widht` is not a key (did you mean `width`"),
        ("[lrn]\nsize = 5\nalhpa = 1.0\n", ":3: ", "`lrn.alhpa` is not a key (did you mean `alpha`"),
        ('[modules]\ninception_3a = { "5x5_redcue" = 8 }', ":2: ", "did you mean `5x5_reduce`"),
        ('[modules.inception_3a]\n"1x1" = 8\n"5x5_redcue" = 8', ":3: ", "did you mean `5x5_reduce`"),
        ('classes = 10\r\nnorm = "btach"\r\n', ":2: ", "`norm` is 'btach'"),
        ('norm = "btach"', ":1: ", "did you mean `batch`"),
        ('reduce = ["7x7"]', ":1: ", "3x3, 5x5, pool"),
        ('base = "googlenet@torchvison"', ":1: ", "did you mean `googlenet@torchvision`"),
        ("base = 3", ":1: ", "`base`"),
        ('[modules]\ninception_3z = "none"', ":2: ", "`modules.inception_3z` is not in the base"),
        ('[modules.inception_3z]\n"1x1" = 8', ":1: ", "is not in the base"),
        ('[modules.inception_3z]\n"1x1" = 8', ":1: ", "a new row needs exactly 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5"),
    ],
)
def test_a_typo_is_reported_with_its_line_and_a_suggestion(
    tmp_path: Path, text: str, where: str, expected: str
) -> None:
    message = refusal(written(tmp_path, text))
    assert message.startswith(where)
    assert expected in message


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('classes = "ten"', "classes"),
        ("classes = 0", "classes"),
        ("classes = 10.5", "classes"),
        ("classes = true", "classes"),
        ("classes = 1979-05-27", "classes"),
        ("classes = 1_000_001", "classes"),
        ("width = 0", "width"),
        ("width = 65.0", "width"),
        ("width = nan", "width"),
        ("dropout = 1.0", "dropout"),
        ("dropout = nan", "dropout"),
        ("bias = 1", "bias"),
        ("input = 0", "input"),
        ("input = [3, 224]", "input"),
        ('input = "3x224"', "input"),
        ("input = [3, 224, 16385]", "input"),
        ("lrn = 5", "lrn"),
        ("[lrn]\nsize = 0", "lrn.size"),
        ("modules = 3", "modules"),
        ("[modules]\ninception_3a = 3", "modules.inception_3a"),
        ('[modules]\ninception_3a = { "1x1" = 0 }', "modules.inception_3a.1x1"),
        ('[modules]\ninception_3a = { "1x1" = 65_537 }', "modules.inception_3a.1x1"),
        ('[modules]\ninception_3a = { "1x1" = "none" }', "modules.inception_3a.1x1"),
        ('final_pool = "7y7"', "final_pool"),
        ('[stem]\nkind = "resnet"', "stem.kind"),
    ],
)
def test_a_wrong_value_is_reported_with_its_key_and_line(tmp_path: Path, text: str, key: str) -> None:
    message = refusal(written(tmp_path, text))
    assert message.startswith(f":{len(text.splitlines())}: `{key}` is ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('aux = ["inception_3a", "inception_9z"]', "`inception_9z`, which is not a module"),
        ('aux = ["inception_4a", "inception_4a"]', "twice"),
        ("kernel_5x5 = 4", "3 or 5"),
        ("[stem]\nkernel = 2", "1 or 3"),
    ],
)
def test_values_that_contradict_each_other_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refusal(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("classes = ", "not valid TOML"),
        ("classes = 1\nclasses = 2\n\n", "line 2"),
        ("[\n", "line 1"),
        ("x = " + "[" * 50_000, "nested too deeply"),
        ("\0" * 1000, "not valid TOML"),
        (bytes(range(256)), "not UTF-8 text"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (b"# " + b"a" * MAX_FILE_SIZE, f"{MAX_FILE_SIZE:,}"),
        (b"\0" * 2_000_000, f"{MAX_FILE_SIZE:,}"),
    ],
    ids=["half", "twice", "bracket", "deep", "nul", "binary", "utf-16", "large", "2 MB"],
)
def test_a_file_that_is_not_toml_is_refused_in_one_line(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert expected in refusal(written(tmp_path, text))


def test_a_path_that_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    assert "directory" in refusal(str(folder))
    assert "No such file" in refusal(str(tmp_path / "missing.toml"))


def test_a_config_names_no_code_and_no_file(tmp_path: Path) -> None:
    for text in ('base = "os:system"', 'base = "other.toml"', 'import = "os"', 'include = "other.toml"'):
        refusal(written(tmp_path, text))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"classes": "10"}, PAPER.replace(classes=10)),
        ({"classes": 10}, PAPER.replace(classes=10)),
        ({"width": "0.5"}, PAPER.replace(width=0.5)),
        ({"bias": "false"}, PAPER.replace(bias=False)),
        ({"input": "1x32x48"}, PAPER.replace(input=(1, 32, 48))),
        ({"input": "96"}, PAPER.replace(input=(3, 96, 96))),
        ({"aux": "none"}, PAPER.replace(aux=())),
        ({"aux": "inception_4b,inception_4c"}, PAPER.replace(aux=("inception_4b", "inception_4c"))),
        ({"reduce": "3x3,pool"}, PAPER.replace(reduce=("3x3", "pool"))),
        ({"stem.kernel": "5"}, PAPER.replace(stem=PAPER.stem.__class__(kernel=5))),
        ({"stem/kernel": "5"}, PAPER.replace(stem=PAPER.stem.__class__(kernel=5))),
        ({"classes": "10", "norm": "none"}, PAPER.replace(classes=10, norm="none")),
    ],
    ids=str,
)
def test_text_is_converted_to_the_type_of_the_key(settings: dict[str, object], expected: GoogLeNet) -> None:
    assert override(PAPER, settings) == expected


@pytest.mark.parametrize(
    "key", ["inception_3a/5x5_reduce", "inception_3a.5x5_reduce", "modules.inception_3a.5x5_reduce"]
)
def test_a_setting_reaches_one_column_of_one_module(key: str) -> None:
    changed = override(PAPER, {key: "24"})
    assert isinstance(changed, GoogLeNet)
    assert changed.modules["inception_3a"].reduce_5x5 == 24
    assert changed.modules["inception_3b"] == PAPER.modules["inception_3b"]


def test_a_column_alone_is_set_in_every_module() -> None:
    changed = override(PAPER, {"5x5_reduce": "24"})
    assert isinstance(changed, GoogLeNet)
    assert {row.reduce_5x5 for row in changed.modules.values()} == {24}
    assert [row.conv_5x5 for row in changed.modules.values()] == [row.conv_5x5 for row in PAPER.modules.values()]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"clases": "10"}, "clases"),
        ({"inception_3a/5x5_redcue": "8"}, "modules.inception_3a.5x5_redcue"),
        ({"inception_3a/5x5": "0"}, "modules.inception_3a.5x5"),
        ({"classes": "ten"}, "classes"),
        ({"": "1"}, ""),
        ({"lrn": "5"}, "lrn"),
        ({"classes": None}, "classes"),
    ],
)
def test_the_error_of_a_setting_has_the_path_of_its_key(settings: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=f"`{key}`") as caught:
        override(PAPER, settings)
    assert caught.value.key == key


def test_a_long_value_is_abbreviated() -> None:
    with pytest.raises(ConfigError) as caught:
        configure({"norm": "x" * 100_000})
    assert len(str(caught.value)) < 500


def test_configure_does_not_change_its_argument() -> None:
    given = {"base": "googlenet", "modules": {"inception_3a": {"1x1": 8}}}
    changed = configure(given)
    assert given == {"base": "googlenet", "modules": {"inception_3a": {"1x1": 8}}}
    assert isinstance(changed, GoogLeNet)
    assert isinstance(changed.modules["inception_3a"], InceptionModule)
    assert PAPER.modules["inception_3a"].conv_1x1 == 64


NEW_MODULE = "\n".join(f'"{key}" = 8' for key in InceptionModule.__struct_encode_fields__)


def test_a_complete_new_row_is_appended(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, f"[modules.inception_5c]\n{NEW_MODULE}"))[0]
    assert isinstance(config, GoogLeNet)
    assert [*config.modules] == [*PAPER.modules, "inception_5c"]
    assert config.modules["inception_5c"].conv_1x1 == 8


def test_where_all_rows_are_listed_their_order_is_that_of_the_list() -> None:
    names = [*reversed(PAPER.modules)]
    config = configure({"modules": {name: {} for name in names}})
    assert isinstance(config, GoogLeNet)
    assert [*config.modules] == names
    partial = configure({"modules": {name: {} for name in names[1:]}})
    assert isinstance(partial, GoogLeNet)
    assert [*partial.modules] == [*PAPER.modules]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[modules]\ninception_3z = "none"', ":2: `modules.inception_3z` is not in the base (did you mean"),
        ('[modules.inception_3z]\n"1x1" = 8', ":1: `modules.inception_3z` is not in the base (did you mean"),
        ('[modules.inception_5c]\n"1x1" = 8', "; a new row needs exactly 1x1, 3x3_reduce, 3x3, "),
        (
            "[modules.inception_3a]\n1x1 = {a = 1}",
            "`modules.inception_3a.1x1` is {'a': 1}: expected `int`",
        ),
    ],
)
def test_a_row_that_is_not_in_the_base_must_be_complete(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refusal(written(tmp_path, text))


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    os.mkfifo(path)
    assert refusal(str(path)) == ": is not a regular file; expected a TOML file"
    assert "embedded null" in refusal_of("a\0b.toml")


def test_an_error_without_a_line_names_the_file(tmp_path: Path) -> None:
    assert refusal(written(tmp_path, "\n'classes' = 0\n")).startswith(":2: `classes` is 0")
    assert refusal(written(tmp_path, '"cl\\u0061sses" = 0')).startswith(": `classes` is 0")
