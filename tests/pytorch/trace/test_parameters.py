"""The parameters of a model are those that PyTorch's own sum has, and those of the tensors that it hides."""

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from inception_lens.analyses.analysis import analyze
from inception_lens.pytorch.trace.forward_pass import trace

PLACES = ("attribute", "list", "dictionary", "closure", "module", "module in a list", "unused")
KINDS = ("parameter", "frozen parameter", "buffer", "tensor")


class Holder(nn.Module):
    """Tensors of several kinds in several places, each used once or twice; some are the same tensor."""

    def __init__(self, chosen: list[tuple[str, str, bool]]) -> None:
        super().__init__()
        self.uses: list[Callable[[], Tensor]] = []
        self.hidden: list[Any] = []
        self.table: dict[str, Any] = {}
        self.expected: dict[int, Tensor] = {}
        last: Tensor | None = None
        for i, (place, kind, is_shared) in enumerate(chosen):
            tensor = last if is_shared and last is not None else self.made(kind, i)
            last = tensor if isinstance(tensor, nn.Parameter) else None
            self.place(tensor, place, kind, i)

    def made(self, kind: str, i: int) -> Tensor:
        values = torch.rand(4, i + 2)
        return nn.Parameter(values, kind == "parameter") if "parameter" in kind else values

    def place(self, tensor: Tensor, place: str, kind: str, i: int) -> None:
        if isinstance(tensor, nn.Parameter):
            self.expected[id(tensor)] = tensor
        name = f"tensor_{i}"
        if place in ("attribute", "unused"):
            if kind == "buffer" and not isinstance(tensor, nn.Parameter):
                self.register_buffer(name, tensor)
            else:
                setattr(self, name, tensor)
        elif place == "module":
            module = nn.Module()
            module.tensor = tensor
            self.add_module(name, module)
        elif place == "module in a list":
            module = nn.Module()
            module.tensor = tensor
            self.hidden.append(module)
        elif place == "list":
            self.hidden.append(tensor)
        elif place == "dictionary":
            self.table[name] = tensor
        if place != "unused":
            self.uses.append(lambda: tensor)

    def forward(self, x: Tensor) -> Tensor:
        for use in (*self.uses, *self.uses[:1]):
            tensor = use()
            x = x + (functional.linear(tensor.t(), x[:, :4]).sum() if tensor.dim() > 1 else tensor.sum())
        return x


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(KINDS), st.booleans()), min_size=1, max_size=5),
    st.sampled_from(["inference", "training"]),
)
def test_parameters_are_those_of_pytorch(chosen: list[tuple[str, str, bool]], mode: Any) -> None:
    model = Holder(chosen)
    totals = analyze(trace(model, (2, 4), mode=mode)).totals
    expected = {**{id(each): each for each in model.parameters()}, **model.expected}
    assert totals.params == sum(each.numel() for each in expected.values())
    assert totals.params_trainable == sum(each.numel() for each in expected.values() if each.requires_grad)
    assert totals.params_exact
