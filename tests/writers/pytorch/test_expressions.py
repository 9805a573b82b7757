"""Python expressions and names in written files."""

import keyword

import pytest

from inception_lens.writers.pytorch.expressions import MAX_LINE_LENGTH, call, dictionary, literal, signature, statement
from inception_lens.writers.pytorch.names import class_identifier, identifier, is_attribute, printable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\"b\n'", '"a\\"b\\n\'"'),
        ((3,), "(3,)"),
        ((1, (2, 3)), "(1, (2, 3))"),
        (1e-05, "1e-05"),
        (float("inf"), 'float("inf")'),
        (float("-inf"), 'float("-inf")'),
        (None, "None"),
        (True, "True"),
    ],
)
def test_literals_evaluate_to_their_values(value: object, text: str) -> None:
    assert literal(value) == text
    assert eval(text) == value  # noqa: S307


def test_a_statement_that_fits_is_one_line() -> None:
    assert statement(8, "x = ", call("f", "a", b="1")) == "        x = f(a, b=1)\n"


def test_a_statement_that_does_not_fit_has_one_part_per_line() -> None:
    parts = {f"layer{i}": call("Linear", "1024", "1024", bias="False") for i in range(3)}
    text = statement(4, "x = ", call("Sequential", dictionary(parts)))
    assert text.splitlines() == [
        "    x = Sequential(",
        "        {",
        *(f'            "layer{i}": Linear(1024, 1024, bias=False),' for i in range(3)),
        "        },",
        "    )",
    ]


@pytest.mark.parametrize("tail", [0, 1])
def test_the_longest_line_has_the_maximum_length(tail: int) -> None:
    argument = "a" * (MAX_LINE_LENGTH - len("f()") + tail)
    lines = statement(0, "", call("f", argument)).splitlines()
    assert len(lines) == (1 if tail == 0 else 3)


def test_a_signature_ends_in_a_colon() -> None:
    assert signature("forward", ["self", "x: Tensor"], "Tensor") == "    def forward(self, x: Tensor) -> Tensor:\n"


def test_identifiers_are_valid_and_unique() -> None:
    taken: set[str] = set()
    names = [identifier(text, taken) for text in ("conv1", "Conv1", "5x5", "", "class", "self", "torch", "a/b:1", "é")]
    assert len(set(names)) == len(names) == len(taken)
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in names)
    assert names[:3] == ["conv1", "conv1_2", "x_5x5"]


def test_class_names_are_valid_and_unique() -> None:
    taken = {"Tensor"}
    assert [class_identifier(text, taken) for text in ("inception", "inception", "5x5", "my net", "tensor", "")] == [
        "Inception", "Inception2", "Block5x5", "MyNet", "Tensor2", "Block",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "valid"), [("conv1", True), ("5x5", False), ("class", False), ("é", False)])
def test_attributes_are_ascii_identifiers(name: str, valid: bool) -> None:
    assert is_attribute(name) is valid


def test_printable_text_cannot_end_a_docstring() -> None:
    assert printable('a"""\n\\b é') == "a_____b _"
