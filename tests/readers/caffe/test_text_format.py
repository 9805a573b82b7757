"""The text format of protocol buffers: what is read, and what errors report."""

import re

import pytest

from inception_lens.errors import FormatError
from inception_lens.readers.caffe.message import TextMessage
from inception_lens.readers.caffe.text_format import MAX_DEPTH, MAX_FIELDS, parse


def plain(message: TextMessage) -> list[tuple[str, object]]:
    return [
        (field.name, plain(field.value) if isinstance(field.value, TextMessage) else field.value)
        for field in message.fields
    ]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", []),
        ("# only a comment", []),
        ("a: 1", [("a", "1")]),
        ("a:1 b:-2;c:+3,d:0x1F", [("a", "1"), ("b", "-2"), ("c", "+3"), ("d", "0x1F")]),
        ("a: 1.5e-3 b: .5 c: 2. d: 1f", [("a", "1.5e-3"), ("b", ".5"), ("c", "2."), ("d", "1f")]),
        ("a: MAX b: true c: -inf", [("a", "MAX"), ("b", "true"), ("c", "-inf")]),
        ("a: 'one' b: \"t#wo\"", [("a", "one"), ("b", "t#wo")]),
        ('a: "one" "two" # and\n "three"', [("a", "onetwothree")]),
        (r'a: "q\"q\n\t\\\101\x42"', [("a", 'q"q\n\t\\AB')]),
        ("m { a: 1 } m: { a: 2 } m < a: 3 >", [("m", [("a", "1")]), ("m", [("a", "2")]), ("m", [("a", "3")])]),
        ("a: [1, 2, 3] b: []", [("a", "1"), ("a", "2"), ("a", "3")]),
        ("[x.y.z] { a: 1 }", [("[x.y.z]", [("a", "1")])]),
        ("m { n { a: 1 } } b: 2", [("m", [("n", [("a", "1")])]), ("b", "2")]),
    ],
)
def test_a_text_is_parsed_as_specified(text: str, fields: list[tuple[str, object]]) -> None:
    assert plain(parse(text)) == fields


def test_fields_have_their_lines() -> None:
    message = parse("\n\na: 1\nm {\n  b: 2 }\n")
    assert [field.line for field in message.fields] == [3, 4]
    assert message.message("m").all("b")[0].line == 5


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("a", 1, "expected `:` or `{` after `a`"),
        ("a:\n", 2, "expected a value for `a`, at the end of the file"),
        ("a: {", 1, "`a`, opened in line 1, is not closed"),
        ("\n}", 2, "column 1: expected a field name, at '}'"),
        ("m {\n  a: 1 >", 2, "column 8: expected a field name or `}`"),
        ("a: 1\n  @", 2, "column 3: invalid character or unterminated string, at '@'"),
        ('a: "never\nclosed"', 1, "column 4: invalid character or unterminated string"),
        ("a: [1, {b: 2}]", 1, "repeat the field `a`"),
        ("[a b", 1, "expected the name of an extension"),
        ("m {" * (MAX_DEPTH + 1), 1, f"more than {MAX_DEPTH} messages in each other"),
        ("m <" * 100_000, 1, f"more than {MAX_DEPTH} messages in each other"),
        ("a:1 " * (MAX_FIELDS + 1), 1, f"more than {MAX_FIELDS:,} fields"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_error_has_the_line_and_the_column(text: str, line: int, expected: str) -> None:
    with pytest.raises(FormatError, match=re.escape(expected)) as caught:
        parse(text)
    assert caught.value.line == line
    assert len(str(caught.value)) < 200


NUMBERS = parse(
    'h: 9 n: 7 n: 0x10 n: 010 x: 1.5 x: 2f s: "text" t: true f: 0 w: AVE v: 1 m { k: 1 } m { k: 2 } big: 1e400'
)


def test_the_value_of_a_name_is_the_only_one_or_the_default() -> None:
    assert NUMBERS.integers("n") == [7, 16, 8]
    assert NUMBERS.integer("h") == 9
    assert NUMBERS.integer("none", 3) == 3
    assert NUMBERS.numbers("x") == [1.5, 2.0]
    assert NUMBERS.number("none", 0.5) == 0.5
    assert NUMBERS.text("s") == "text"
    assert NUMBERS.flag("t", False)
    assert not NUMBERS.flag("f", True)
    assert NUMBERS.flag("none", True)
    assert NUMBERS.choice("w", ("MAX", "AVE")) == NUMBERS.choice("v", ("MAX", "AVE")) == "AVE"
    assert NUMBERS.choice("none", ("MAX", "AVE")) == "MAX"
    assert [each.integer("k") for each in NUMBERS.messages("m")] == [1, 2]
    assert NUMBERS.message("none").fields == []
    assert "n" in NUMBERS
    assert "none" not in NUMBERS


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: NUMBERS.integer("x"), "`x` is '1.5'; expected an integer from 0 to 2,147,483,647"),
        (lambda: NUMBERS.integer("n", least=8), "`n` is '7'; expected an integer from 8"),
        (lambda: NUMBERS.integer("n"), "`n` is given 3 times; expected once"),
        (lambda: NUMBERS.number("x", 0), "`x` is given 2 times"),
        (lambda: NUMBERS.message("m"), "`m` is given 2 times"),
        (lambda: NUMBERS.integer("nn"), "has no `nn`"),
        (lambda: NUMBERS.integer("s"), "`s` is 'text'"),
        (lambda: NUMBERS.integer("m"), "`m` is a message in braces"),
        (lambda: NUMBERS.number("big", 0), "`big` is '1e400'; expected a finite number"),
        (lambda: NUMBERS.number("s", 0), "`s` is 'text'"),
        (lambda: NUMBERS.text("m"), "a string in quotes"),
        (lambda: NUMBERS.flag("n", True), "true or false"),
        (lambda: NUMBERS.choice("s", ("MAX", "AVE")), "MAX or AVE"),
        (lambda: NUMBERS.message("n"), "expected a message in braces"),
    ],
)
def test_a_value_of_another_type_is_reported_with_the_expected_one(read: object, expected: str) -> None:
    with pytest.raises(FormatError, match=re.escape(expected)) as caught:
        read()  # type: ignore[operator]
    assert caught.value.line == 1
