"""How `--input` describes inputs: one shape, or several by name, with their dtypes."""

import re

import pytest

from inception_lens.cli.options import Given, parse_inputs
from inception_lens.errors import ConfigError


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], None),
        (["1x3x224x224"], (1, 3, 224, 224)),
        (["224"], (1, 3, 224, 224)),
        (["3x9"], (3, 9)),
        (["ids=128"], {"ids": Given((128,))}),
        (["ids=1x128:int64"], {"ids": Given((1, 128), "int64")}),
        (["1x128:int64"], {"": Given((1, 128), "int64")}),
        (["a=1x2", "b=3:bool"], {"a": Given((1, 2)), "b": Given((3,), "bool")}),
        (["a=b=1x2"], {"a=b": Given((1, 2))}),
    ],
)
def test_inputs_are_read(texts: list[str], expected: object) -> None:
    assert parse_inputs(texts) == expected


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["1x"], "--input 1x: a shape is whole numbers joined by x"),
        (["0x3"], "--input 0x3"),
        (["a="], "--input a=: a shape"),
        (["a=1x2:flaot32"], "`flaot32` is not a dtype (did you mean `float32`"),
        (["1x2", "b=1x2"], "--input 1x2: each of several inputs needs its name"),
        (["a=1", "a=2"], "`a` is given twice"),
    ],
)
def test_what_is_no_input_is_told(texts: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        parse_inputs(texts)
