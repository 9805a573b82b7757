"""How `--input` describes inputs: one shape, or several by name, with their dtypes."""

import re

import pytest

from inception_lens.cli.options import ParsedInput, parse_inputs
from inception_lens.errors import ConfigError


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], None),
        (["1x3x224x224"], (1, 3, 224, 224)),
        (["224"], (1, 3, 224, 224)),
        (["3x9"], (3, 9)),
        (["ids=128"], {"ids": ParsedInput((128,))}),
        (["ids=1x128:int64"], {"ids": ParsedInput((1, 128), "int64")}),
        (["1x128:int64"], {"": ParsedInput((1, 128), "int64")}),
        (["a=1x2", "b=3:bool"], {"a": ParsedInput((1, 2)), "b": ParsedInput((3,), "bool")}),
        (["a=b=1x2"], {"a=b": ParsedInput((1, 2))}),
    ],
)
def test_inputs_are_read(texts: list[str], expected: object) -> None:
    assert parse_inputs(texts) == expected


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["1x"], "--input 1x: a shape is whole numbers joined by x"),
        (["0x3"], "--input 0x3"),
        (["a="], "--input a=: a shape"),
        (["a=1x2:flaot32"], "`flaot32` is not a dtype (did you mean `float32`"),
        (["1x2", "b=1x2"], "--input 1x2: each of several inputs needs its name"),
        (["a=1", "a=2"], "`a` is given twice"),
    ],
)
def test_an_invalid_input_is_an_error(texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_inputs(texts)
