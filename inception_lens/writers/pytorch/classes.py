"""Which blocks of a network become classes of the written file, and the arguments that the classes take."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import takewhile

from inception_lens.writers.pytorch.block_tree import ModuleBlock
from inception_lens.writers.pytorch.constructors import POSITIONAL
from inception_lens.writers.pytorch.expressions import literal
from inception_lens.writers.pytorch.names import class_identifier, identifier, printable
from inception_lens.writers.pytorch.templates import OUTPUT_CHANNELS, BlockTemplate

MIN_CHAIN_LENGTH = 3
"""Modules of a repeated chain that is written as a class."""

SHORT_NAMES = {"Conv1d": "Conv", "Conv2d": "Conv", "Conv3d": "Conv", "BatchNorm1d": "BN", "BatchNorm2d": "BN"}


@dataclass(slots=True)
class SourceClass:
    """A class of the file and the blocks that are its instances."""

    name: str
    """The identifier."""
    members: list[BlockTemplate]
    """One for each instance; their templates are equal."""
    arguments: dict[int, str]
    """Positions of the placeholders in which the members differ, and the constructor's arguments for them; those that
    are given without their names come first."""
    channel_arguments: dict[int, str]
    """Numbers of the inputs whose channels differ, and the arguments for them; they precede `arguments`."""
    values: list[str]
    """What the class writes for each placeholder: an argument's name, or the number that all members have."""

    def is_positional(self, index: int) -> bool:
        """Whether the argument of a placeholder is given without its name, as in PyTorch's own module."""
        label = self.members[0].labels[index]
        return len(label) == 1 and label[0] in POSITIONAL


def source_classes(root: BlockTemplate, taken: set[str]) -> dict[Hashable, SourceClass]:
    """The classes by the keys of their templates; a class comes after the classes of its parts.

    Args:
        root: the template of the network.
        taken: identifiers that no class can have; those of the classes are added.
    """
    members: dict[Hashable, list[BlockTemplate]] = {}
    _gather(root, members, Counter(part.key for part in root.parts.values()))
    return {key: _source_class(found, taken) for key, found in members.items()}


def _gather(template: BlockTemplate, members: dict[Hashable, list[BlockTemplate]], counts: Counter[Hashable]) -> None:
    for part in template.parts.values():
        _gather(part, members, counts)
        repeated = part.kind == "chain" and len(part.parts) >= MIN_CHAIN_LENGTH and counts[part.key] > 1
        if repeated or (part.kind == "class" and (part.block.closed or part.block.module)):
            members.setdefault(part.key, []).append(part)


def _source_class(members: list[BlockTemplate], taken: set[str]) -> SourceClass:
    first, taken_arguments = members[0], {"in_channels"}
    channels: dict[int, str] = {}
    for i in range(len(first.input_channels)):
        if first.uses_channels(i) and len({member.input_channels[i] for member in members}) > 1:
            channels[i] = identifier(f"in_channels_{i}", taken_arguments) if channels else "in_channels"
    arguments = {}
    for index, label in enumerate(first.labels):
        if len({literal(member.values[index]) for member in members}) > 1:
            words = label[:-1] if label[-1] in OUTPUT_CHANNELS and len(label) > 1 else label
            arguments[index] = identifier("_".join(words), taken_arguments, prefix="c")
    values = [arguments.get(index, literal(value)) for index, value in enumerate(first.values)]
    found = SourceClass(class_identifier(_class_name(members), taken), members, arguments, channels, values)
    positional = sorted(
        filter(found.is_positional, arguments), key=lambda index: POSITIONAL.index(first.labels[index][0])
    )
    found.arguments = {index: arguments[index] for index in dict.fromkeys((*positional, *arguments))}
    return found


def _class_name(members: list[BlockTemplate]) -> str:
    """The kinds of the layers in order, `ConvBNReLU`, or else the common prefix of the names."""
    block = members[0].block
    if block.module:
        layers = sorted((block, *block.parts.values()), key=lambda layer: _position(layer, block))
        kinds = [layer.module.kind if layer.module else "" for layer in layers]
        return "".join(SHORT_NAMES.get(kind, kind) for kind in kinds)
    names = [member.block.path[-1] for member in members]
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = "".join(letters[0] for letters in same)
    if len(set(names)) > 1:  # `inception_3a` and `inception_3b` are `inception`
        shared = re.sub(r"_[0-9]*$", "", shared)
    return shared or block.path[0]


def _position(part: ModuleBlock, block: ModuleBlock) -> int:
    """The position of a part's first node among the block's nodes; for the block itself that of its own node."""
    node = block.node if part is block else part.nodes[0]
    return block.nodes.index(node) if node else 0


def members_text(members: list[BlockTemplate]) -> str:
    """The paths of a class's instances, for its docstring."""
    names = ["/".join(member.block.path) for member in members]
    shown = ", ".join(f"`{printable(name)}`" for name in names[:3])
    return f"{shown} and {len(names) - 3} more." if len(names) > 3 else f"{shown}."
