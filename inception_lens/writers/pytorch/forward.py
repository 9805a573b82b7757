"""The forward pass of a block as Python: which variable holds which value, and what stands within an expression."""

from __future__ import annotations

import keyword as keywords
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from inception_lens.writers.pytorch.blocks import Block, Call
from inception_lens.writers.pytorch.layout import Code, call, literal, statement

SHORT = 64
"""Characters of a call that may stand within the expression that reads it."""

TAKEN = frozenset({"self", "torch", "nn", "functional", "reduce", "super", "tuple", "range"})


def identifier(text: str, taken: set[str], *, prefix: str = "x_") -> str:
    """A variable's name for a layer's name, which is not yet in `taken`; it is added."""
    name = re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")
    if not name or not name[0].isalpha():
        name = f"{prefix}{name}".rstrip("_")
    count, unique = 1, name
    while unique in taken or unique in TAKEN or keywords.iskeyword(unique):
        count += 1
        unique = f"{name}_{count}"
    taken.add(unique)
    return unique


class Forward:
    """Writes the lines of one forward pass."""

    def __init__(self, calls: Sequence[Call], inputs: Sequence[str], outputs: Sequence[str], *, nested: bool) -> None:
        self.calls, self.outputs = calls, outputs
        self.readers: dict[str, list[int]] = {}
        for i, each in enumerate(calls):
            for name in each.inputs:
                self.readers.setdefault(name, []).append(i)
        self.within = self._within() if nested else {}
        last = {name: max(map(self._time, at)) for name, at in self.readers.items()}
        self.last_use = last | dict.fromkeys(outputs, len(calls))
        self.taken: set[str] = set()
        self.variable = {name: identifier("x" if i == 0 else name, self.taken) for i, name in enumerate(inputs)}
        self.pending: dict[str, Code] = {}

    def _within(self) -> dict[int, int]:
        """Calls that stand within the expression of the one call that reads them, by their numbers."""
        within = {}
        for i, each in enumerate(self.calls):
            readers = self.readers.get(each.outputs[0], [])
            if len(each.outputs) > 1 or len(readers) != 1 or each.outputs[0] in self.outputs or _in_place(each):
                continue
            between = self.calls[i + 1 : readers[0]]
            if not between or (self.calls[readers[0]].block.is_expression and not any(map(_in_place, between))):
                within[i] = readers[0]
        return within

    def _time(self, i: int) -> int:
        return self._time(self.within[i]) if i in self.within else i

    def value(self, name: str) -> Code:
        """The expression of a value: a variable, or a call that waited for its reader."""
        return self.pending.pop(name) if name in self.pending else Code(self.variable[name])

    def expression(self, i: int, access: str) -> Code:
        """The expression of one call."""
        each = self.calls[i]
        return _expression(each, [self.value(name) for name in each.inputs], access)

    def line(self, i: int, access: str, indent: int, *, fresh: bool = False) -> str:
        """The statement of one call; nothing where it stands within a later one. `fresh` takes a new variable."""
        each, code = self.calls[i], self.expression(i, access)
        if i in self.within:
            if len(code.flat) <= SHORT or self.calls[self.within[i]].block.is_expression:
                self.pending[each.outputs[0]] = code
                return ""
            self.last_use[each.outputs[0]] = self._time(self.within[i])
        free = [] if fresh else [n for n in each.inputs if n in self.variable and self.last_use[n] <= i]
        free.sort(key=lambda name: self.variable[name] != "x")
        names = []
        for output in each.outputs:
            if output not in self.last_use:  # nobody reads it
                names.append("_")
                continue
            name = self.variable.pop(free.pop(0)) if free else identifier(each.block.path[-1], self.taken)
            self.variable[output] = name
            names.append(name)
        return statement(indent, f"{', '.join(names)} = ", code)


def _in_place(each: Call) -> bool:
    module = each.block.module
    return module is not None and (module.kind == "InPlace" or module.arguments.get("inplace") is True)


def _expression(each: Call, values: list[Code], access: str) -> Code:
    if not each.block.is_expression:
        return call(access, *values)
    assert each.block.module is not None
    arguments = dict(each.block.module.arguments)
    match each.block.module.kind:
        case "Concat":
            return call(
                "torch.cat", Code("(", tuple(values), ")" if len(values) > 1 else ",)"), literal(arguments["dim"])
            )
        case "Add":
            return _sum(values, arguments["scale"])
        case "Flatten":
            end = () if arguments["end_dim"] == -1 else (literal(arguments["end_dim"]),)
            return call("torch.flatten", *values, literal(arguments["start_dim"]), *end)
    function = arguments.pop("function")
    return call(f"torch.{function}", *values, **{name: literal(value) for name, value in arguments.items()})


def _sum(values: list[Code], scale: float) -> Code:
    *others, last = values
    if not others:
        return Code(f"{last.flat} * {literal(scale)}")
    if scale == 1:
        plain = " + ".join(value.flat for value in values)
        if len(plain) <= SHORT:
            return Code(plain)
    total, *others = others
    for other in others:
        total = call("torch.add", total, other)
    return call("torch.add", total, last, **({} if scale == 1 else {"alpha": literal(scale)}))


def accessor(
    block: Block, inside: Block, as_items: Callable[[Block], bool], at: Mapping[tuple[str, ...], Block]
) -> str:
    """How the forward pass of `inside` reaches `block`: `self.conv1`, `self["1x1"]`."""
    if block is inside:
        return "super().forward"
    text, holder = "self", inside
    for end in range(len(inside.path) + 1, len(block.path) + 1):
        name = block.path[end - 1]
        if as_items(holder):
            text += f"[{literal(name)}]"
        elif is_attribute(name):
            text += f".{name}"
        else:
            text += f".get_submodule({literal(name)})"
        holder = at[block.path[:end]]
    return text


def is_attribute(name: str) -> bool:
    """Whether a part can be written as an attribute."""
    return name.isidentifier() and name.isascii() and not keywords.iskeyword(name)


def tree(block: Block) -> Iterator[Block]:
    """The block and all within it."""
    yield block
    for part in block.parts.values():
        yield from tree(part)
