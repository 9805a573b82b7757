"""Every operator of PyTorch's registry: it has a rule or a cost, is a composition, or is listed as unknown."""

import re

import pytest
import torch
from torch import Tensor, nn
from torch._ops import OpOverload

from inception_lens.analyses.analysis import analyze
from inception_lens.ops import ELEMENTWISE, REDUCTIONS
from inception_lens.pytorch.trace.backward_costs import FLOPS_OF_BACKWARD, MOVING, WITHOUT_PRODUCTS_BACKWARD
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.pytorch.trace.operator_costs import FLOPS, FREE, WITHOUT_PRODUCTS, short_name
from inception_lens.pytorch.trace.operator_facts import ALIASES, READING, facts_of
from inception_lens.pytorch.trace.other_operators import COPYING, MAY_MULTIPLY, WITHOUT_PRODUCTS_OTHERS
from inception_lens.pytorch.trace.products import PRODUCTS
from tests.pytorch.trace.test_writing_operators import registry

NO_PRODUCTS = frozenset().union(
    ELEMENTWISE, REDUCTIONS, FREE, FLOPS, WITHOUT_PRODUCTS, MOVING, FLOPS_OF_BACKWARD, WITHOUT_PRODUCTS_BACKWARD,
    COPYING, WITHOUT_PRODUCTS_OTHERS,
)  # fmt: skip
UNKNOWN = frozenset().union(*MAY_MULTIPLY.values())

OPERATORS = [
    func
    for func in registry()
    if func._schema.name.startswith("aten::")
    and any("Tensor" in str(each.type) for each in func._schema.arguments)
    and (func._schema.is_mutable or any("Tensor" in str(each.type) for each in func._schema.returns))
]
"""Operators that read tensors, and return tensors or write to them."""


def is_without_product(func: OpOverload) -> bool:
    name = short_name(func._schema.name)
    if name in PRODUCTS or name in UNKNOWN:
        return False
    is_function = torch.Tag.pointwise in func.tags and len(func._schema.returns) == 1
    return name in NO_PRODUCTS or name.startswith("_foreach_") or is_function


def is_resolved(func: OpOverload) -> bool:
    facts = facts_of(func)
    named = facts.name in ALIASES or facts.name in READING or facts.short_name == "_to_copy"
    return named or bool(facts.rule or facts.quantized_rule) or facts.is_composite or facts.is_view


def test_every_operator_of_the_registry_is_classified() -> None:
    assert len(OPERATORS) > 2000
    missing = {
        func._schema.name
        for func in OPERATORS
        if not is_resolved(func) and not is_without_product(func) and short_name(func._schema.name) not in PRODUCTS
    }
    assert {short_name(name) for name in missing} <= UNKNOWN


def test_no_operator_is_in_two_lists() -> None:
    assert not NO_PRODUCTS & PRODUCTS.keys()
    assert not UNKNOWN & PRODUCTS.keys()
    assert not UNKNOWN & NO_PRODUCTS


@pytest.mark.parametrize("name", sorted(UNKNOWN))
def test_an_unknown_operator_is_one_of_the_registry(name: str) -> None:
    assert hasattr(torch.ops.aten, name)


PRODUCT_WORDS = re.compile(
    r"mm(_|$)|bmm|matmul|linear(?!1d)|conv|attention|mv(_|$)|(^|_)dot|rnn|lstm|gru|cholesky|solve|svd|_eig|lstsq|"
    r"_qr|geqrf|ormqr|matrix_exp|slogdet|linalg_(det|inv|lu|ldl|pinv|householder)"
)
MOVE_WEIGHTS = re.compile(r"convert|reorder|flatten_weight|upsample|fused_(gru|lstm)_cell|prepack|grid_sampler")
"""Operators that have such a word in their name, and only arrange weights, resize maps or apply gates."""


def test_an_operator_that_is_named_after_a_product_is_not_one_without_products() -> None:
    suspects = {
        short_name(func._schema.name)
        for func in OPERATORS
        if is_without_product(func) and PRODUCT_WORDS.search(short_name(func._schema.name))
    }
    assert {name for name in suspects if not MOVE_WEIGHTS.search(name)} == set()
    assert PRODUCT_WORDS.search("addmm")
    assert PRODUCT_WORDS.search("convolution_backward")


class Detects(nn.Module):
    """A product, and the boxes that non-maximum suppression keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        boxes = self.layer(x)
        kept = torch.ops.torchvision.nms(boxes, boxes[:, 0], 0.5)
        found: Tensor = boxes[kept] * 2
        return found


@pytest.mark.parametrize("count", [0, 3])
def test_non_maximum_suppression_multiplies_nothing_and_may_keep_nothing(count: int) -> None:
    with torch.library._scoped_library("torchvision", "FRAGMENT") as library:
        if not hasattr(torch.ops.torchvision, "nms"):
            library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl("nms", lambda boxes, scores, limit: torch.arange(count), "CPU")
        analysis = analyze(trace(Detects(), torch.rand(5, 4)))
    totals = analysis.totals
    assert (totals.macs, totals.macs_exact, totals.exact) == (5 * 4 * 4, True, False)
    assert analysis.layers[-1].output_shape == (count, 4)
    assert str(analysis)
