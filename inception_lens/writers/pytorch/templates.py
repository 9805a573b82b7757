"""What blocks of equal structure have in common: templates whose numbers are left open.

Blocks with one template become one class, and the numbers in which they differ its arguments. Channels that a layer
reads are no numbers of its own: they follow from what it reads.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from inception_lens.ops import TensorType
from inception_lens.writers.pytorch.blocks import Block, Call
from inception_lens.writers.pytorch.modules import ModuleSpec

READS = ("in_channels", "num_features", "in_features", "num_channels")
"""Arguments that say how many channels a layer reads."""
MAKES = ("out_channels", "out_features")
"""Arguments that say how many it makes."""
KEEPS = frozenset({"norm", "activation", "pool", "dropout"})
"""Categories of operations that make as many channels as they read."""
SQUARE = ("kernel_size", "stride", "padding", "dilation", "output_size", "output_padding")
"""Arguments of PyTorch's modules that may be one number for all axes."""


class Hole(NamedTuple):
    """A number that a template leaves open."""

    place: int


class Read(NamedTuple):
    """The channels of one of a block's inputs."""

    input: int


Channels = tuple[Hole | Read | int, ...]
"""How many channels a value has: a sum."""


@dataclass(slots=True)
class Template:
    """One block, apart from its numbers."""

    kind: str
    """`leaf`: one module; `chain`: modules called one after the other; `class`: anything else."""
    key: Hashable
    block: Block
    values: list[Any] = field(default_factory=list)
    """What its holes hold in this block."""
    labels: list[tuple[str, ...]] = field(default_factory=list)
    """What the holes are of: the path of a layer within the block, and the name of an argument."""
    reads: tuple[int | None, ...] = ()
    """Channels of its inputs in this block."""
    makes: Channels | None = None
    arguments: dict[str, Hole | Channels] = field(default_factory=dict)
    """Of the block's own module."""
    parts: dict[str, Template] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    """The first hole of each part."""
    given: dict[str, tuple[Channels, ...]] = field(default_factory=dict)
    """The channels that each part reads."""
    calls: tuple[Call, ...] = ()

    def hole(self, value: Any, *label: str) -> Hole:
        """Leave a number open."""
        self.values.append(value)
        self.labels.append(label)
        return Hole(len(self.values) - 1)

    def uses(self, place: int) -> bool:
        """Whether anything in the block asks for the channels of its input number `place`."""
        wanted = Read(place)
        own = any(not isinstance(value, Hole) and wanted in value for value in self.arguments.values())
        return own or any(wanted in terms for given in self.given.values() for terms in given)


def template(block: Block, types: Mapping[str, tuple[TensorType, ...]]) -> Template:
    """The template of a block and of all its parts."""
    made = Template("leaf" if not block.parts else "class", (), block)
    made.reads = tuple(_channels(types, name) for name in block.inputs)
    if block.module is not None:
        _own(made, block, types)
    if block.parts:
        _parts(made, block, types)
        if _is_chain(made):
            made.kind = "chain"
    structure = tuple((name, part.key) for name, part in made.parts.items())
    own = (block.module.kind, tuple(made.arguments)) if block.module else None
    made.key = (made.kind, own, structure, _wiring(made), tuple(sorted(_linked(made))))
    return made


def _linked(made: Template) -> list[str]:
    """Which arguments and parts take their channels from what they read, and not from a hole."""
    own = [name for name, value in made.arguments.items() if isinstance(value, tuple) and not isinstance(value, Hole)]
    return own + [f"{name}/{given}" for name, given in made.given.items()]


def _channels(types: Mapping[str, tuple[TensorType, ...]], name: str) -> int | None:
    shape = types[name][0].shape
    return shape[1] if len(shape) > 1 else None


def _own(made: Template, block: Block, types: Mapping[str, tuple[TensorType, ...]]) -> None:
    assert block.module is not None
    assert block.node is not None
    read = _channels(types, block.node.inputs[0]) if block.node.inputs else None
    first = block.inputs[:1] == block.node.inputs[:1] and block.closed
    for name, value in block.module.arguments.items():
        if name in READS and first and value == read:
            made.arguments[name] = (Read(0),)
        else:
            made.arguments[name] = made.hole(_plain(block.module, name, value), name)
    makes = [made.arguments[name] for name in MAKES if name in made.arguments]
    if makes and isinstance(makes[0], Hole):
        made.makes = (makes[0],)
    elif block.node.op.category in KEEPS and first:
        made.makes = (Read(0),)


def _plain(module: ModuleSpec, name: str, value: Any) -> Any:
    if not module.own and name in SQUARE and isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]
    return value


def _parts(made: Template, block: Block, types: Mapping[str, tuple[TensorType, ...]]) -> None:
    for name, part in block.parts.items():
        if not part.is_expression:
            made.parts[name] = inner = template(part, types)
            made.places[name] = len(made.values)
            made.values += inner.values
            made.labels += [(name, *label) for label in inner.labels]
    made.calls = tuple(block.calls()) if block.closed or not block.path else ()
    known: dict[str, Channels] = {name: (Read(i),) for i, name in enumerate(block.inputs)} if block.closed else {}
    own_makes = made.makes
    made.makes = None
    for call in made.calls:
        if call.block is block:
            if own_makes is not None:
                known[call.outputs[0]] = own_makes
        elif (makes := _called(made, call, known, types)) is not None:
            known[call.outputs[0]] = makes
    for name, inner in made.parts.items():
        if name not in made.given:  # it is reached from further out, or not as a whole
            made.given[name] = tuple(_open(made, name, i, read) for i, read in enumerate(inner.reads))
    made.makes = known.get(block.outputs[0]) if block.closed else own_makes


def _called(
    made: Template, call: Call, known: Mapping[str, Channels], types: Mapping[str, tuple[TensorType, ...]]
) -> Channels | None:
    """What a call makes of the channels that are known so far."""
    if call.block.is_expression:
        assert call.block.module is not None
        read = [known.get(name) for name in call.inputs]
        if call.block.module.kind == "Concat" and call.block.module.arguments["dim"] == 1 and None not in read:
            return tuple(term for terms in read if terms for term in terms)
        return read[0] if call.block.module.kind == "Add" else None
    name = call.block.path[len(made.block.path)]
    if call.block.path[:-1] != made.block.path or not call.whole:
        return None
    inner = made.parts[name]
    given = tuple(
        known.get(value) or _open(made, name, i, _channels(types, value)) for i, value in enumerate(call.inputs)
    )
    made.given[name] = given
    return substituted(inner.makes, given, made.places[name]) if inner.makes else None


def _open(made: Template, name: str, place: int, channels: int | None) -> Channels:
    if channels is None or not made.parts[name].uses(place):
        return ()
    return (made.hole(channels, name, "in_channels"),)


def substituted(terms: Channels, given: tuple[Channels, ...], offset: int) -> Channels:
    """Channels that a part speaks of, in the words of the block that it is in."""
    found: list[Hole | Read | int] = []
    for term in terms:
        if isinstance(term, Hole):
            found.append(Hole(term.place + offset))
        elif isinstance(term, Read):
            found += given[term.input]
        else:
            found.append(term)
    return tuple(found)


def _is_chain(made: Template) -> bool:
    """Whether the parts are called one after the other and nothing else happens."""
    block = made.block
    if not block.closed or block.node is not None or len(block.inputs) != 1:
        return False
    calls, value = made.calls, block.inputs
    if [call.block for call in calls] != list(block.parts.values()):
        return False
    for call in calls:
        kind = call.block.module.kind if call.block.module else ""
        if call.inputs != value or len(call.outputs) != 1 or (call.block.is_expression and kind != "Flatten"):
            return False
        value = call.outputs
    return value == block.outputs


def _wiring(made: Template) -> Hashable:
    """Who reads what in the forward pass, by the order of the values, and the arguments of expressions."""
    numbers = {name: i for i, name in enumerate(made.block.inputs)}
    lines = []
    for call in made.calls:
        module = call.block.module if call.block.is_expression else None
        what = (module.kind, tuple(module.arguments.items())) if module else call.block.path[len(made.block.path) :]
        reads = tuple(numbers.setdefault(name, len(numbers)) for name in call.inputs)
        lines.append((what, call.whole, reads, tuple(numbers.setdefault(name, len(numbers)) for name in call.outputs)))
    return tuple(lines)
