"""One sentence for a difference that one call, or several, have in common."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inception_lens.analyses.compare.attributes import Difference
from inception_lens.analyses.compare.records import Change, PartComparison
from inception_lens.graph import Node
from inception_lens.ops import format_shape
from inception_lens.tables.compare.wording import (
    ATTRIBUTES,
    VERBS,
    described,
    number_word,
    plural,
    value_text,
    with_article,
)

GENERAL_NAMES = {"out_channels": "widths", "in_channels": "input widths", "output_shape": "output sizes"}
"""Attributes in the plural, for calls whose values have nothing in common."""
GRAPH_ATTRIBUTES = {
    "shape": "input", "dtype": "dtype of the input", "mode": "mode", "params_dtype": "dtype of the parameters",
}  # fmt: skip
"""Attributes of the network and not of a call."""


class ChangedAttribute(msgspec.Struct, frozen=True):
    """One attribute that differs between two paired calls."""

    change: Change
    difference: Difference
    node_a: Node | None
    """The call in the first network; None for an attribute of the network."""
    node_b: Node | None
    """The call in the second network."""


def general_sentence(kind: str, attribute: str, n: int) -> str:
    """The sentence for calls that differ in one attribute, each in its own way."""
    return f"{number_word(n)} {plural(kind)} have other {GENERAL_NAMES.get(attribute, plural(attribute))}"


def sentence(kind: str, items: Sequence[ChangedAttribute], part: PartComparison) -> str:
    """The sentence for calls of one kind that differ in the same attribute and values."""
    first, several = items[0].difference, len(items) > 1
    attribute = first.attribute
    a, b = value_text(attribute, first.a), value_text(attribute, first.b)
    op = items[0].node_a.op if items[0].node_a else None
    one = described(op) if op and op.category in ("conv", "pool") and attribute != "kernel" else kind
    number = number_word(len(items))
    subject = f"{number} {plural(kind)}" if several else f"the {one}"
    are = "are" if several else "is"

    def verb(stem: str) -> str:
        return stem if several else f"{stem}s"

    match attribute:
        case "kernel" if kind == "convolution":
            thing = "branch" if all(item.change.a in part.in_branches for item in items) else kind
            return f"{number} {a} {plural(thing)} are {b}" if several else f"the {a} {thing} is {b}"
        case "kernel":
            return f"{subject} {are} {b} instead of {a}"
        case "op":
            return f"{number} {plural(a)} are {plural(b)}" if several else f"the {a} is {with_article(b)}"
        case "p":
            return f"{subject if several else kind.lower()} of {b} instead of {a}"
        case "groups":
            before, after = ("dense" if groups == 1 else f"in {groups:,} groups" for groups in (first.a, first.b))
            return f"{subject} {are} {after} instead of {before}"
        case "rounding" if kind == "convolution":
            return f"{subject} {verb('pad')} {_padding(items[0], 'b')} instead of {_padding(items[0], 'a')}"
        case "rounding":
            return f"{subject} {verb('round')} {b} instead of {a}{_sizes(items[0])}"
        case "position":
            return f"{subject} {are} after {b} instead of {a}"
        case "inputs":
            return f"{subject} {verb('read')} other calls"
        case "input_order":
            return f"{subject} {verb('read')} the same calls in another order"
        case "params":
            return f"{subject} {verb('share')} parameters with other calls in one network only"
        case "output" if first.a and first.b:
            return f"its result is output {first.b[0] + 1} instead of output {first.a[0] + 1}"
        case "output":
            results = f"{number} results are outputs" if several else "its result is an output"
            return f"{results} of {'B' if first.b else 'A'} only"
        case "attached_to":
            return f"the head reads {b} instead of {a}"
        case "loss_weight":
            return f"the head's loss has the weight {b} instead of {a}"
        case "shape" if first.a is None or first.b is None:
            return f"an additional input of {b}" if first.a is None else f"the input of {a} is missing"
        case "unused":
            return f"{number} tensors that no call reads are declared by {'B' if first.a is None else 'A'} only"
    if attribute in GRAPH_ATTRIBUTES:
        return f"the {GRAPH_ATTRIBUTES[attribute]} is {b} instead of {a}"
    if attribute in VERBS:
        return f"{subject} {VERBS[attribute][not first.b][several]}"
    value = ATTRIBUTES.get(attribute, f"{attribute} {{}}").format(b)
    return f"{subject} {'have' if several else 'has'} {value} instead of {a}"


def _sizes(item: ChangedAttribute) -> str:
    """The sizes of the output map, where they differ."""
    for each in item.change.what:
        if each.attribute == "output_shape" and each.a[2:] != each.b[2:]:
            return f": {format_shape(each.b[2:])} instead of {format_shape(each.a[2:])} after {item.change.a}"
    return ""


def _padding(item: ChangedAttribute, side: str) -> str:
    """The padding of a convolution on its map, such as `SAME (2 before and 3 after)`."""
    rule = next(each for each in item.change.what if each.attribute == "rounding")
    pads = next((each for each in item.change.what if each.attribute == "padding"), None)
    value = getattr(pads, side)[0] if pads else None
    text = ""
    if value is not None:
        text = f"{value[0]} before and {value[1]} after" if isinstance(value, tuple) else f"{value}"
    return f"SAME ({text})" if getattr(rule, side) == "same" and text else text or "explicitly"
