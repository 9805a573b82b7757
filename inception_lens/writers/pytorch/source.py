"""A network as one Python file that needs PyTorch alone, with the `state_dict` keys of the built network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from inception_lens import __version__
from inception_lens.graph import Graph, tensor_names
from inception_lens.ops import format_shape
from inception_lens.writers.pytorch.blocks import Block, Call, Network, blocks, main_part
from inception_lens.writers.pytorch.forward import Forward, accessor, identifier, is_attribute, tree
from inception_lens.writers.pytorch.layout import LINE, Code, call, dictionary, literal, statement
from inception_lens.writers.pytorch.own_layers import layers_source
from inception_lens.writers.pytorch.templates import MAKES, Hole, Template, template
from inception_lens.writers.pytorch.text import (
    DEFAULTS,
    IMPORTS,
    POSITIONAL,
    annotation,
    channels_text,
    class_name,
    constructor,
    is_default,
    members_text,
    printable,
    registered,
    returned,
)

REPEATED = 3
"""Modules that a chain has at least that becomes a class where it is repeated."""


@dataclass(slots=True)
class Class:
    """A class of the file, and the blocks that are its instances."""

    name: str
    members: list[Template]
    holes: dict[int, str]
    """The holes in which the members differ, and the arguments that fill them."""
    reads: dict[int, str]
    """Likewise the inputs whose channels differ."""
    written: list[str]
    """Of its first member, all holes: the argument or the number."""

    def positional(self, place: int) -> bool:
        """Whether the argument of a hole goes without its name, as it does for the module that the class extends."""
        label = self.members[0].labels[place]
        return len(label) == 1 and label[0] in POSITIONAL

    def arguments(self) -> list[tuple[int, str]]:
        """Holes and their arguments, those without names first."""
        labels = self.members[0].labels
        first = sorted(filter(self.positional, self.holes), key=lambda place: POSITIONAL.index(labels[place][0]))
        return [(place, self.holes[place]) for place in (*first, *(p for p in self.holes if p not in first))]


def torch_source(graph: Graph, evaluation: Graph | None = None) -> str:
    """Write the network as Python source, laid out as ruff does.

    Args:
        graph: the network; of mode `training`, its outputs behind the first are computed while it trains alone.
        evaluation: what is computed in evaluation mode instead, as in `build`.

    Raises:
        GraphError: an operation does not say all that its computation needs.
    """
    return _File(graph, evaluation).text()


class _File:
    def __init__(self, graph: Graph, evaluation: Graph | None) -> None:
        if evaluation is None and graph.mode == "training":
            evaluation = main_part(graph)
        self.graph, self.evaluation = graph, evaluation
        self.network: Network = blocks(graph, evaluation)
        self.root = template(self.network.root, self.network.types)
        self.at = {block.path: block for block in tree(self.network.root)}
        self.taken: set[str] = {"Tensor", "OrderedDict", "None", "True", "False"}
        self.classes = self._classes()

    def text(self) -> str:
        bodies = [self._class(each) for each in self.classes.values()] + [self._network()]
        kinds = {b.module.kind for b in self.at.values() if b.module and b.module.own and not b.is_expression}
        body = "\n\n".join([*layers_source(kinds), *bodies])
        apart = "\n\n" if body.startswith(("class", "def")) else "\n"
        return f"{self._head(body)}{apart}{body}"

    def _head(self, body: str) -> str:
        about = printable(f"{self.graph.metadata.name}: {self.graph.metadata.description}".rstrip(": "))
        inputs = ", ".join(f"{format_shape(i.type.shape)} {i.type.dtype}" for i in self.graph.inputs)
        return (
            f'"""{about}.\n\nInput: {inputs}. Written by Inception Lens {__version__}; it needs PyTorch alone.\n"""\n\n'
            + "".join(f"{line}\n" for pattern, line in IMPORTS if re.search(pattern, body))
        )

    # Classes

    def _classes(self) -> dict[Hashable, Class]:
        members: dict[Hashable, list[Template]] = {}
        counts = Counter(part.key for part in self.root.parts.values())
        self._gather(self.root, members, counts)
        return {key: self._class_of(of_key) for key, of_key in members.items()}

    def _gather(self, made: Template, members: dict[Hashable, list[Template]], counts: Counter[Hashable]) -> None:
        for part in made.parts.values():
            self._gather(part, members, counts)
            repeated = part.kind == "chain" and len(part.parts) >= REPEATED and counts[part.key] > 1
            if repeated or (part.kind == "class" and (part.block.closed or part.block.module)):
                members.setdefault(part.key, []).append(part)

    def _class_of(self, members: list[Template]) -> Class:
        first, taken = members[0], {"in_channels"}
        reads: dict[int, str] = {}
        for i in range(len(first.reads)):
            if first.uses(i) and len({member.reads[i] for member in members}) > 1:
                reads[i] = identifier(f"in_channels_{i}", taken) if reads else "in_channels"
        holes = {}
        for place, label in enumerate(first.labels):
            if len({literal(member.values[place]) for member in members}) > 1:
                words = label[:-1] if label[-1] in MAKES and len(label) > 1 else label
                holes[place] = identifier("_".join(words), taken, prefix="c")
        written = [holes.get(place, literal(value)) for place, value in enumerate(first.values)]
        return Class(self._title(class_name(members)), members, holes, reads, written)

    def _title(self, words: str) -> str:
        """A class's name that no other has."""
        parts = re.findall(r"[0-9A-Za-z]+", words)
        title = "".join(part[0].upper() + part[1:] for part in parts)
        title = title if title[:1].isalpha() else f"Block{title}"
        count, unique = 1, title
        while unique in self.taken:
            count += 1
            unique = f"{title}{count}"
        self.taken.add(unique)
        return unique

    def _class(self, each: Class) -> str:
        first = each.members[0]
        block, items = first.block, self._as_items(first.block)
        reads = [each.reads.get(i, literal(read)) for i, read in enumerate(first.reads)]
        base = "nn.Sequential" if first.kind == "chain" else "nn.ModuleDict" if items else "nn.Module"
        if block.module:
            base = block.module.kind if block.module.own else f"nn.{block.module.kind}"
        lines = [f"class {each.name}({base}):\n", f'    """{members_text(each.members)}"""\n\n', self._signature(each)]
        parts = self._part_codes(first, each.written, reads)
        if first.kind == "chain":
            lines.append(statement(8, "", call("super().__init__", call("OrderedDict", dictionary(parts)))))
            return "".join(lines)
        if items:
            lines.append(statement(8, "", call("super().__init__", dictionary(parts))))
        else:
            own = self._own(first, each.written, reads, "super().__init__") if block.module else None
            lines.append(statement(8, "", own or Code("super().__init__()")))
            lines += [registered(name, code) for name, code in parts.items()]
        return "".join(lines) + (self._forward(first) if block.closed else "")

    def _signature(self, each: Class) -> str:
        parts = ["self", *(f"{name}: int" for name in each.reads.values())]
        defaulted: list[str] = []
        for place, name in each.arguments():
            kinds = sorted({annotation(member.values[place]) for member in each.members}, key=len)
            field = each.members[0].labels[place][-1]
            default = f" = {literal(DEFAULTS[field])}" if field in DEFAULTS else ""
            (defaulted if default else parts).append(f"{name}: {' | '.join(kinds)}{default}")
        code = Code("def __init__(", tuple(map(Code, [*parts, *defaulted])), ") -> None:")
        return statement(4, "", code)

    def _forward(self, made: Template) -> str:
        block, end = made.block, len(made.calls) - 1
        forward = Forward(made.calls, block.inputs, block.outputs, nested=True)
        names = [forward.variable[name] for name in block.inputs]
        lines = [forward.line(i, self._access(each.block, block), 8) for i, each in enumerate(made.calls[:-1])]
        last = made.calls[-1]
        if last.outputs == block.outputs:
            final = forward.expression(end, self._access(last.block, block))
        else:
            lines.append(forward.line(end, self._access(last.block, block), 8))
            final = forward.value(block.outputs[0])
        signature = Code("def forward(", tuple(map(Code, ["self", *(f"{n}: Tensor" for n in names)])), ") -> Tensor:")
        return f"\n{statement(4, '', signature)}{''.join(lines)}{statement(8, 'return ', final)}"

    # The network

    def _network(self) -> str:
        metadata = self.graph.metadata
        known = metadata.description.partition(",")[0] if metadata.source == "catalogue" else metadata.name
        parts = self._part_codes(self.root, [literal(value) for value in self.root.values], [])
        lines = [
            f"class {self._title(known)}(nn.Module):\n",
            f'    """{printable(metadata.name)}: the whole network."""\n\n',
        ]
        lines += ["    def __init__(self) -> None:\n", "        super().__init__()\n"]
        lines += [registered(name, code) for name, code in parts.items()]
        lines += self._shared()
        if self.graph.dtype != "float32":
            lines.append(f"        self.to(torch.{self.graph.dtype})\n")
        return "".join([*lines, "\n", *self._network_forward()])

    def _shared(self) -> list[str]:
        """Calls that name the same tensor hold the same tensor, and what is not trained needs no gradient."""
        lines: list[str] = []
        holders: dict[str, str] = {}
        paths = {block.node.name: block.path for block in self.at.values() if block.node}
        for node in self.graph.nodes:
            shapes = self.graph.input_shapes(node)
            tensors = (*node.op.parameters(*shapes), *node.op.buffers(*shapes)) if node.op.has_weights else ()
            for name, tensor in zip(tensor_names(node, tensors), tensors, strict=True):
                own = f"self.get_submodule({literal('.'.join(paths[node.name]))}).{tensor.role}"
                if holders.setdefault(name, own) != own:
                    lines.append(f"        {own} = {holders[name]}\n")
                elif name in self.graph.frozen:
                    lines.append(f"        {own}.requires_grad_(False)\n")
        return lines

    def _network_forward(self) -> list[str]:
        inputs = [given.name for given in self.graph.inputs]
        outputs = [output.node for output in self.graph.outputs]
        main = [output.node for output in (self.evaluation or self.graph).outputs]
        calls = self._in_order(inputs)
        forward = Forward(calls, inputs, [*outputs, *main], nested=False)
        signature = ["self", *(f"{forward.variable[name]}: Tensor" for name in inputs)]
        kinds = dict.fromkeys("Tensor" if len(names) == 1 else "tuple[Tensor, ...]" for names in (main, outputs))
        head = Code("def forward(", tuple(map(Code, signature)), f") -> {' | '.join(kinds)}:")
        lines, in_training = [statement(4, "", head)], False
        after: list[str] = []
        for i, each in enumerate(calls):
            training, evaluation = self._phase(each)
            if training and not in_training:
                lines.append("        if self.training:\n")
            in_training = training
            line = forward.line(i, self._access(each.block, self.root.block), 12 if training else 8, fresh=training)
            (after if evaluation else lines).append(self._with_shape(line, each.outputs[0]))
        if outputs != main:
            lines.append("        if self.training:\n")
            lines.append(returned(12, [forward.variable[name] for name in outputs]))
        return [*lines, *after, returned(8, [forward.variable[name] for name in main])]

    def _phase(self, each: Call) -> tuple[bool, bool]:
        """Whether a call is made in training mode alone, and whether in evaluation mode alone."""
        name = each.block.nodes[0].name
        return name in self.network.training, name in self.network.evaluation

    def _in_order(self, inputs: list[str]) -> list[Call]:
        """The network's calls, those of training mode as soon as what they read is there."""
        waiting = [each for each in self.root.calls if self._phase(each)[0]]
        order, known = [], set(inputs)
        for each in self.root.calls:
            if self._phase(each)[0]:
                continue
            order.append(each)
            known.update(each.outputs)
            while ready := next((w for w in waiting if known.issuperset(w.inputs)), None):
                waiting.remove(ready)
                order.append(ready)
                known.update(ready.outputs)
        return order

    def _with_shape(self, line: str, name: str) -> str:
        shape = self.network.types[name][0].shape
        noted = f"{line.rstrip()}  # {format_shape(shape[1:])}\n"
        return noted if len(shape) > 1 and len(noted.splitlines()[-1]) <= LINE else line

    # Parts

    def _access(self, block: Block, inside: Block) -> str:
        return accessor(block, inside, self._as_items, self.at)

    def _as_items(self, block: Block) -> bool:
        """Whether a block's class is a dict of modules, because some of its parts have names that are no attributes."""
        if block.module or not block.path:
            return False
        if not block.closed:
            return True
        return not all(is_attribute(name) for name, part in block.parts.items() if not part.is_expression)

    def _part_codes(self, made: Template, holes: Sequence[str], reads: Sequence[str]) -> dict[str, Code]:
        codes = {}
        for name, part in made.block.parts.items():
            if name in made.parts:
                inner, first = made.parts[name], made.places[name]
                inner_holes = holes[first : first + len(inner.values)]
                given = [channels_text(terms, holes, reads) for terms in made.given[name]]
                codes[name] = self._instance(inner, inner_holes, given)
            elif made.kind == "chain" and part.module:
                codes[name] = constructor("nn.Flatten", {k: literal(v) for k, v in part.module.arguments.items()})
        return codes

    def _instance(self, made: Template, holes: Sequence[str], reads: Sequence[str]) -> Code:
        """The expression that makes one block's module."""
        if made.key in self.classes:
            each = self.classes[made.key]
            first = [holes[place] for place, _ in each.arguments() if each.positional(place)]
            named = {name: place for place, name in each.arguments() if not each.positional(place)}
            said = {
                name: holes[place]
                for name, place in named.items()
                if not is_default(made.labels[place][-1], holes[place])
            }
            return call(each.name, *(reads[i] for i in each.reads), *first, **said)
        if made.kind == "leaf":
            return self._own(made, holes, reads)
        parts = dictionary(self._part_codes(made, holes, reads))
        return (
            call("nn.Sequential", call("OrderedDict", parts)) if made.kind == "chain" else call("nn.ModuleDict", parts)
        )

    def _own(self, made: Template, holes: Sequence[str], reads: Sequence[str], function: str = "") -> Code:
        module = made.block.module
        assert module is not None
        arguments = {
            name: holes[value.place] if isinstance(value, Hole) else channels_text(value, holes, reads)
            for name, value in made.arguments.items()
        }
        return constructor(function or (module.kind if module.own else f"nn.{module.kind}"), arguments, module)
