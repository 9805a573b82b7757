"""The words of a written network: what its classes, arguments and values are called and look like."""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from inception_lens.writers.pytorch.blocks import Block
from inception_lens.writers.pytorch.forward import is_attribute
from inception_lens.writers.pytorch.layout import Code, call, literal, statement
from inception_lens.writers.pytorch.modules import ModuleSpec
from inception_lens.writers.pytorch.templates import MAKES, Channels, Hole, Read, Template

POSITIONAL = ("in_channels", "num_features", "in_features", *MAKES, "kernel_size", "p", "output_size")
DEFAULTS: dict[str, Any] = {
    "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "inplace": False, "ceil_mode": False,
    "return_indices": False, "count_include_pad": True, "eps": 1e-5, "momentum": 0.1, "affine": True,
    "track_running_stats": True, "output_padding": 0, "start_dim": 1, "end_dim": -1,
}  # fmt: skip
"""What PyTorch's modules take where nothing is said, and the classes of the file too."""
OTHERWISE = ("nn.InstanceNorm", "nn.RMSNorm")
"""Modules with other defaults than most, of which all is said."""
SHORTER = {"Conv1d": "Conv", "Conv2d": "Conv", "Conv3d": "Conv", "BatchNorm1d": "BN", "BatchNorm2d": "BN"}
IMPORTS = (
    (r"\bOrderedDict\b", "from collections import OrderedDict"),
    (r"\bSequence\b", "from collections.abc import Sequence"),
    (r"\breduce\(", "from functools import reduce"),
    (r"\bAny\b[\s\S]*\bLiteral\b|\bLiteral\b[\s\S]*\bAny\b", "from typing import Any, Literal"),
    (r"\A(?![\s\S]*\bLiteral\b)[\s\S]*\bAny\b", "from typing import Any"),
    (r"\A(?![\s\S]*\bAny\b)[\s\S]*\bLiteral\b", "from typing import Literal"),
    (r"\b(OrderedDict|Sequence|reduce\(|Any|Literal)\b", ""),
    (r"\btorch[.,]", "import torch"),
    (r"", "from torch import Tensor, nn"),
    (r"\bfunctional\.", "from torch.nn import functional"),
)
"""What the file imports where it holds these words."""


def channels_text(terms: Channels, holes: Sequence[str], reads: Sequence[str]) -> str:
    """How many channels, as a number or in the words of a class: what fills its holes, and what its inputs have."""
    texts = []
    for term in terms:
        texts.append(
            holes[term.place] if isinstance(term, Hole) else reads[term.input] if isinstance(term, Read) else str(term)
        )
    return str(sum(map(int, texts))) if all(text.isdigit() for text in texts) else " + ".join(texts)


def constructor(function: str, arguments: Mapping[str, str], module: ModuleSpec | None = None) -> Code:
    """The call that makes a module, without what goes without saying."""
    keep = (module is not None and module.own) or function.startswith(OTHERWISE)
    said = {
        name: text
        for name, text in arguments.items()
        if keep or not is_default(name, text) or (name == "stride" and module and "Pool" in module.kind)
    }
    first = [said.pop(name) for name in POSITIONAL if name in said]
    return call(function, *first, **said)


def is_default(field: str, text: str) -> bool:
    """Whether an argument is what is taken where nothing is said."""
    return field in DEFAULTS and text == literal(DEFAULTS[field])


def registered(name: str, code: Code) -> str:
    """The statement that makes a module a part of another."""
    if is_attribute(name):
        return statement(8, f"self.{name} = ", code)
    return statement(8, "", call("self.add_module", literal(name), code))


def returned(indent: int, names: list[str]) -> str:
    """The statement that ends a forward pass."""
    return f"{' ' * indent}return {', '.join(names)}\n"


def annotation(value: Any) -> str:
    """The type of an argument."""
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(annotation, value))}]"
    return "None" if value is None else type(value).__name__


def class_name(members: list[Template]) -> str:
    """What the blocks have in common: what their layers are, or how their names begin."""
    block = members[0].block
    if block.module:
        kinds = (part.module.kind if part.module else "" for part in (block, *block.parts.values()))
        order = sorted(zip(kinds, (block, *block.parts.values()), strict=True), key=lambda pair: _first(pair[1], block))
        return "".join(SHORTER.get(kind, kind) for kind, _ in order)
    names = [member.block.path[-1] for member in members]
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = "".join(letters[0] for letters in same)
    if len(set(names)) > 1:  # `inception_3a` and `inception_3b` are `inception`
        shared = re.sub(r"_[0-9]*$", "", shared)
    return shared or block.path[0]


def _first(part: Block, whole: Block) -> int:
    """Where a block's first node stands among those of the whole, the whole's own node for itself."""
    node = whole.node if part is whole else part.nodes[0]
    return whole.nodes.index(node) if node else 0


def members_text(members: list[Template]) -> str:
    """Which blocks are instances of a class, for its docstring."""
    names = ["/".join(member.block.path) for member in members]
    shown = ", ".join(f"`{printable(name)}`" for name in names[:3])
    return f"{shown} and {len(names) - 3} more." if len(names) > 3 else f"{shown}."


def printable(text: str) -> str:
    """Text that can stand in a docstring and a comment: nothing in it ends either."""
    return re.sub(r"[^ !#-\[\]-~]", "_", text)
