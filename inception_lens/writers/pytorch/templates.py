"""What blocks of equal structure have in common: templates with placeholders for their numbers.

Blocks with equal templates become one class, whose arguments are the numbers in which they differ. The input channels
of a layer are not numbers of its own if they follow from the layers before it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from inception_lens.writers.pytorch.block_tree import BlockCall, ModuleBlock, TensorTypes
from inception_lens.writers.pytorch.modules import ModuleSpec

INPUT_CHANNELS = ("in_channels", "num_features", "in_features", "num_channels")
"""Arguments of modules: the number of input channels."""
OUTPUT_CHANNELS = ("out_channels", "out_features")
"""Arguments of modules: the number of output channels."""
CHANNEL_PRESERVING = frozenset({"norm", "activation", "pool", "dropout"})
"""Categories of operations with as many output channels as input channels."""
PER_AXIS = ("kernel_size", "stride", "padding", "dilation", "output_size", "output_padding")
"""Arguments of PyTorch's modules that may be one number for all axes."""


class Placeholder(NamedTuple):
    """A number that may differ between blocks of one template."""

    position: int
    """Where the number is in `BlockTemplate.values`."""


class InputChannels(NamedTuple):
    """The number of channels of one of a block's inputs."""

    input: int
    """The position of the input in `ModuleBlock.inputs`."""


Channels = tuple[Placeholder | InputChannels | int, ...]
"""A number of channels as a sum of terms."""


@dataclass(slots=True)
class BlockTemplate:
    """The structure of one block without its numbers, and the numbers."""

    kind: str
    """`leaf`: one module; `chain`: modules that are called one after another; `class`: any other block."""
    key: Hashable
    """Equal for blocks that can be instances of one class."""
    block: ModuleBlock
    """The block that the numbers are of."""
    values: list[object] = field(default_factory=list)
    """The value of each placeholder in this block."""
    labels: list[tuple[str, ...]] = field(default_factory=list)
    """The path of each placeholder: of a layer within the block, then the name of the argument."""
    input_channels: tuple[int | None, ...] = ()
    """The channels of each input in this block; None for an input without a channel axis."""
    output_channels: Channels | None = None
    """Of the block's output; None if they do not follow from the template."""
    arguments: dict[str, Placeholder | Channels] = field(default_factory=dict)
    """Of the block's own module."""
    parts: dict[str, BlockTemplate] = field(default_factory=dict)
    """Of the parts that are modules."""
    offsets: dict[str, int] = field(default_factory=dict)
    """The position of the first placeholder of each part."""
    part_inputs: dict[str, tuple[Channels, ...]] = field(default_factory=dict)
    """The channels of the inputs of each part."""
    calls: tuple[BlockCall, ...] = ()
    """Of the block's forward pass, if it has one."""

    def placeholder(self, value: object, *label: str) -> Placeholder:
        """Add a placeholder for a number."""
        self.values.append(value)
        self.labels.append(label)
        return Placeholder(len(self.values) - 1)

    def uses_channels(self, i: int) -> bool:
        """Whether a layer of the block takes its number of channels from input `i`."""
        wanted = InputChannels(i)
        own = any(not isinstance(value, Placeholder) and wanted in value for value in self.arguments.values())
        return own or any(wanted in channels for inputs in self.part_inputs.values() for channels in inputs)


def block_template(block: ModuleBlock, types: TensorTypes) -> BlockTemplate:
    """The template of a block and of all its parts."""
    template = BlockTemplate("leaf" if not block.parts else "class", (), block)
    template.input_channels = tuple(_channels(types, name) for name in block.inputs)
    if block.module is not None:
        _add_own_module(template, types)
    if block.parts:
        _add_parts(template, types)
        if _is_chain(template):
            template.kind = "chain"
    structure = tuple((name, part.key) for name, part in template.parts.items())
    own = (block.module.kind, tuple(template.arguments)) if block.module else None
    template.key = (template.kind, own, structure, _wiring(template), tuple(sorted(_derived(template))))
    return template


def _derived(template: BlockTemplate) -> list[str]:
    """The arguments and parts whose channels follow from the inputs, and are not placeholders."""
    own = [name for name, value in template.arguments.items() if not isinstance(value, Placeholder)]
    return own + [f"{name}/{channels}" for name, channels in template.part_inputs.items()]


def _channels(types: TensorTypes, name: str) -> int | None:
    shape = types[name][0].shape
    return shape[1] if len(shape) > 1 else None


def _add_own_module(template: BlockTemplate, types: TensorTypes) -> None:
    block = template.block
    assert block.module is not None
    assert block.node is not None
    read = _channels(types, block.node.inputs[0]) if block.node.inputs else None
    first = block.inputs[:1] == block.node.inputs[:1] and block.closed
    for name, value in block.module.arguments.items():
        if name in INPUT_CHANNELS and first and value == read:
            template.arguments[name] = (InputChannels(0),)
        else:
            template.arguments[name] = template.placeholder(_shortened(block.module, name, value), name)
    outputs = [template.arguments[name] for name in OUTPUT_CHANNELS if name in template.arguments]
    if outputs and isinstance(outputs[0], Placeholder):
        template.output_channels = (outputs[0],)
    elif block.node.op.category in CHANNEL_PRESERVING and first:
        template.output_channels = (InputChannels(0),)


def _shortened(module: ModuleSpec, name: str, value: object) -> object:
    """`3` for `(3, 3)` where PyTorch takes either."""
    if not module.own and name in PER_AXIS and isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]
    return value


def _add_parts(template: BlockTemplate, types: TensorTypes) -> None:
    block = template.block
    for name, part in block.parts.items():
        if not part.is_expression:
            template.parts[name] = inner = block_template(part, types)
            template.offsets[name] = len(template.values)
            template.values += inner.values
            template.labels += [(name, *label) for label in inner.labels]
    template.calls = tuple(block.calls(types)) if block.closed or not block.path else ()
    known: dict[str, Channels] = {name: (InputChannels(i),) for i, name in enumerate(block.inputs) if block.closed}
    for call in template.calls:
        outputs = template.output_channels if call.block is block else _call_channels(template, call, known, types)
        if outputs is not None:
            known[call.outputs[0]] = outputs
    for name, inner in template.parts.items():
        if name not in template.part_inputs:  # the block does not call it as a whole
            template.part_inputs[name] = tuple(_given(template, name, i, n) for i, n in enumerate(inner.input_channels))
    if block.closed:
        template.output_channels = known.get(block.outputs[0])


def _call_channels(
    template: BlockTemplate, call: BlockCall, known: dict[str, Channels], types: TensorTypes
) -> Channels | None:
    """The output channels of a call, from the channels known so far; None if they do not follow."""
    if call.block.is_expression:
        assert call.block.module is not None
        read = [known.get(name) for name in call.inputs]
        if call.block.module.kind == "Concat" and call.block.module.arguments["dim"] == 1 and None not in read:
            return tuple(term for terms in read if terms for term in terms)
        return read[0] if call.block.module.kind == "Add" else None
    name = call.block.path[len(template.block.path)]
    if call.block.path[:-1] != template.block.path or not call.entire:
        return None
    inner = template.parts[name]
    inputs = tuple(
        known.get(value) or _given(template, name, i, _channels(types, value)) for i, value in enumerate(call.inputs)
    )
    template.part_inputs[name] = inputs
    return _substituted(inner.output_channels, inputs, template.offsets[name]) if inner.output_channels else None


def _given(template: BlockTemplate, part: str, i: int, channels: int | None) -> Channels:
    """A placeholder for the channels of a part's input, if the part uses them."""
    if channels is None or not template.parts[part].uses_channels(i):
        return ()
    return (template.placeholder(channels, part, "in_channels"),)


def _substituted(channels: Channels, inputs: tuple[Channels, ...], offset: int) -> Channels:
    """Channels of a part in terms of the block around it.

    `inputs` are the channels of the part's inputs, `offset` is the position of its first placeholder.
    """
    found: list[Placeholder | InputChannels | int] = []
    for term in channels:
        if isinstance(term, Placeholder):
            found.append(Placeholder(term.position + offset))
        elif isinstance(term, InputChannels):
            found += inputs[term.input]
        else:
            found.append(term)
    return tuple(found)


def _is_chain(template: BlockTemplate) -> bool:
    """Whether the forward pass only calls the parts one after another."""
    block = template.block
    if not block.closed or block.node is not None or len(block.inputs) != 1:
        return False
    calls, value = template.calls, block.inputs
    if [call.block for call in calls] != list(block.parts.values()):
        return False
    for call in calls:
        kind = call.block.module.kind if call.block.module else ""
        if call.inputs != value or len(call.outputs) != 1 or (call.block.is_expression and kind != "Flatten"):
            return False
        value = call.outputs
    return value == block.outputs


def _wiring(template: BlockTemplate) -> Hashable:
    """What each call of the forward pass reads, with numbers for names, and the arguments of expressions."""
    numbers = {name: i for i, name in enumerate(template.block.inputs)}
    lines = []
    for call in template.calls:
        module = call.block.module if call.block.is_expression else None
        what = (module.kind, tuple(module.arguments.items())) if module else call.block.path[len(template.block.path) :]
        reads = tuple(numbers.setdefault(name, len(numbers)) for name in call.inputs)
        lines.append((what, call.entire, reads, tuple(numbers.setdefault(name, len(numbers)) for name in call.outputs)))
    return tuple(lines)
