"""The forward pass of a block as Python: the variable of each value, and the calls that are nested in expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from inception_lens.writers.pytorch.block_tree import BlockCall, ModuleBlock
from inception_lens.writers.pytorch.expressions import Expression, call, literal, statement
from inception_lens.writers.pytorch.module_paths import ModulePath
from inception_lens.writers.pytorch.names import identifier, is_attribute

MAX_NESTED_LENGTH = 64
"""Characters of a call that is nested in the expression that reads it."""


class ForwardCode:
    """Writes the lines of one forward pass.

    A value that a single later call reads is nested in that call if `nested`; any other value has a variable, which
    takes over the name of an input that is not read again.
    """

    def __init__(
        self, calls: Sequence[BlockCall], inputs: Sequence[str], outputs: Sequence[str], *, nested: bool
    ) -> None:
        self.calls, self.outputs = calls, outputs
        self.readers: dict[str, list[int]] = {}
        for i, each in enumerate(calls):
            for name in each.inputs:
                self.readers.setdefault(name, []).append(i)
        self.nested_in = self._nested_calls() if nested else {}
        last = {name: max(map(self._statement, readers)) for name, readers in self.readers.items()}
        self.last_use = last | dict.fromkeys(outputs, len(calls))
        self.taken: set[str] = set()
        self.variable = {name: identifier("x" if i == 0 else name, self.taken) for i, name in enumerate(inputs)}
        self.pending: dict[str, Expression] = {}

    def _nested_calls(self) -> dict[int, int]:
        """The position of each nested call and of the call that it is nested in.

        Nesting must not change the order of execution where that matters: between an in-place call and others.
        """
        nested = {}
        for i, each in enumerate(self.calls):
            readers = self.readers.get(each.outputs[0], [])
            if len(each.outputs) != 1 or len(readers) != 1 or each.outputs[0] in self.outputs or _is_in_place(each):
                continue
            between = self.calls[i + 1 : readers[0]]
            if not between or (self.calls[readers[0]].block.is_expression and not any(map(_is_in_place, between))):
                nested[i] = readers[0]
        return nested

    def _statement(self, i: int) -> int:
        """The position of the call whose statement contains call `i`."""
        return self._statement(self.nested_in[i]) if i in self.nested_in else i

    def value(self, name: str) -> Expression:
        """The expression of a value: its variable, or a call that is nested where the value is read."""
        return self.pending.pop(name) if name in self.pending else Expression(self.variable[name])

    def expression(self, i: int, access: str) -> Expression:
        """The expression of call `i`; `access` is the expression of its module."""
        each = self.calls[i]
        return _call_expression(each, [self.value(name) for name in each.inputs], access)

    def line(self, i: int, access: str, indent: int, *, fresh: bool = False) -> str:
        """The statement of call `i`; empty if the call is nested in a later one. `fresh` takes a new variable."""
        each, code = self.calls[i], self.expression(i, access)
        if i in self.nested_in:
            if len(code.flat) <= MAX_NESTED_LENGTH or self.calls[self.nested_in[i]].block.is_expression:
                self.pending[each.outputs[0]] = code
                return ""
            self.last_use[each.outputs[0]] = self._statement(self.nested_in[i])
        free = [] if fresh else [n for n in each.inputs if n in self.variable and self.last_use[n] <= i]
        free.sort(key=lambda name: self.variable[name] != "x")
        variables = []
        for output in each.outputs:
            if output not in self.last_use:  # it is never read
                variables.append("_")
                continue
            variable = self.variable.pop(free.pop(0)) if free else identifier(each.block.path[-1], self.taken)
            self.variable[output] = variable
            variables.append(variable)
        return statement(indent, f"{', '.join(variables)} = ", code)


def _is_in_place(each: BlockCall) -> bool:
    module = each.block.module
    return module is not None and (module.kind == "InPlace" or module.arguments.get("inplace") is True)


def _call_expression(each: BlockCall, values: list[Expression], access: str) -> Expression:
    if not each.block.is_expression:
        return call(access, *values)
    assert each.block.module is not None
    arguments = dict(each.block.module.arguments)
    match each.block.module.kind:
        case "Concat":
            tensors = Expression("(", tuple(values), ")" if len(values) > 1 else ",)")
            return call("torch.cat", tensors, literal(arguments["dim"]))
        case "Add":
            return _sum(values, arguments["scale"])
        case "Flatten":
            end = () if arguments["end_dim"] == -1 else (literal(arguments["end_dim"]),)
            return call("torch.flatten", *values, literal(arguments["start_dim"]), *end)
    function = arguments.pop("function")
    return call(f"torch.{function}", *values, **{name: literal(value) for name, value in arguments.items()})


def _sum(values: list[Expression], scale: float) -> Expression:
    """A sum whose last value is multiplied by `scale`: with `+` if it is short, otherwise with `torch.add`."""
    *others, last = values
    if not others:
        return Expression(f"{last.flat} * {literal(scale)}")
    if scale == 1:
        plain = " + ".join(value.flat for value in values)
        if len(plain) <= MAX_NESTED_LENGTH:
            return Expression(plain)
    total, *others = others
    for other in others:
        total = call("torch.add", total, other)
    return call("torch.add", total, last, **({} if scale == 1 else {"alpha": literal(scale)}))


def accessor(
    block: ModuleBlock,
    inside: ModuleBlock,
    is_dict: Callable[[ModuleBlock], bool],
    blocks: Mapping[ModulePath, ModuleBlock],
) -> str:
    """How the forward pass of `inside` names the module of `block`: `self.conv1`, `self["1x1"]`.

    Args:
        block: the called block.
        inside: the calling block, or a block around it.
        is_dict: whether a block's class is a dict of modules.
        blocks: all blocks by path.
    """
    if block is inside:
        return "super().forward"
    text, holder = "self", inside
    for end in range(len(inside.path) + 1, len(block.path) + 1):
        name = block.path[end - 1]
        if is_dict(holder):
            text += f"[{literal(name)}]"
        elif is_attribute(name):
            text += f".{name}"
        else:
            text += f".get_submodule({literal(name)})"
        holder = blocks[block.path[:end]]
    return text
