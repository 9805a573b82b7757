"""A network as one Python file that imports only PyTorch, with the `state_dict` keys of the built network."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inception_lens.graph import Graph
from inception_lens.ops import format_shape
from inception_lens.version import __version__
from inception_lens.writers.pytorch.block_tree import BlockCall, ModuleBlock, block_tree, evaluation_part
from inception_lens.writers.pytorch.classes import SourceClass, members_text, source_classes
from inception_lens.writers.pytorch.constructors import (
    DEFAULTS,
    annotation,
    channels_text,
    constructor,
    is_default,
    own_constructor,
)
from inception_lens.writers.pytorch.expressions import (
    MAX_LINE_LENGTH,
    Expression,
    call,
    dictionary,
    literal,
    signature,
    statement,
)
from inception_lens.writers.pytorch.forward_code import ForwardCode, accessor
from inception_lens.writers.pytorch.layer_sources import layer_sources
from inception_lens.writers.pytorch.names import class_identifier, is_attribute, printable
from inception_lens.writers.pytorch.templates import BlockTemplate, block_template

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
"""Lines at the start of the file, each if the pattern occurs in the body."""


def torch_source(graph: Graph, evaluation: Graph | None = None) -> str:
    """Write the network as Python source in ruff's layout.

    Equal blocks become one class; a block that one call cannot compute becomes a dict of modules.

    Args:
        graph: the network. In mode `training`, its outputs after the first are computed only while training.
        evaluation: the network of evaluation mode, as in `build`; by default what the first output needs.

    Raises:
        GraphError: the graph does not define an operation completely, PyTorch has no module for it, or names are
            nested too deeply.
    """
    return _SourceFile(graph, evaluation).text()


class _SourceFile:
    def __init__(self, graph: Graph, evaluation: Graph | None) -> None:
        if evaluation is None and graph.mode == "training":
            evaluation = evaluation_part(graph)
        self.graph, self.evaluation = graph, evaluation
        self.tree = block_tree(graph, evaluation)
        self.root = block_template(self.tree.root, self.tree.types)
        self.blocks = {block.path: block for block in self.tree.root.walk()}
        self.taken: set[str] = {"Tensor", "OrderedDict", "None", "True", "False"}
        self.classes = source_classes(self.root, self.taken)

    def text(self) -> str:
        classes = [*map(self._class, self.classes.values()), self._network_class()]
        modules = [block.module for block in self.blocks.values() if block.module and not block.is_expression]
        body = "\n\n".join([*layer_sources({module.kind for module in modules if module.own}), *classes])
        separator = "\n\n" if body.startswith(("class", "def")) else "\n"
        return f"{self._head(body)}{separator}{body}"

    def _head(self, body: str) -> str:
        metadata = self.graph.metadata
        title = printable(f"{metadata.name}: {metadata.description}".rstrip(": "))
        inputs = ", ".join(f"{format_shape(i.type.shape)} {i.type.dtype}" for i in self.graph.inputs)
        return (
            f'"""{title}.\n\nInput: {inputs}. Written by Inception Lens {__version__}; it needs only PyTorch.\n"""\n\n'
            + "".join(f"{line}\n" for pattern, line in IMPORTS if re.search(pattern, body))
        )

    # Classes

    def _class(self, each: SourceClass) -> str:
        template = each.members[0]
        block = template.block
        channels = [each.channel_arguments.get(i, literal(n)) for i, n in enumerate(template.input_channels)]
        parts = self._parts(template, each.values, channels)
        if block.module:
            base = block.module.kind if block.module.own else f"nn.{block.module.kind}"
            init = own_constructor(template, each.values, channels, "super().__init__")
        elif template.kind == "chain":
            base, init = "nn.Sequential", call("super().__init__", call("OrderedDict", dictionary(parts)))
        elif self._is_dict(block):
            base, init = "nn.ModuleDict", call("super().__init__", dictionary(parts))
        else:
            base, init = "nn.Module", call("super().__init__")
        lines = [f'class {each.name}({base}):\n    """{members_text(each.members)}"""\n\n', _init_signature(each)]
        lines.append(statement(8, "", init))
        if base not in ("nn.Sequential", "nn.ModuleDict"):
            lines += [_registration(name, part) for name, part in parts.items()]
        if block.closed and template.kind != "chain":
            lines.append(self._forward(template))
        return "".join(lines)

    def _forward(self, template: BlockTemplate) -> str:
        block, end = template.block, len(template.calls) - 1
        forward = ForwardCode(template.calls, block.inputs, block.outputs, nested=True)
        head = signature("forward", ["self", *(f"{forward.variable[name]}: Tensor" for name in block.inputs)], "Tensor")
        accesses = [self._access(each.block, block) for each in template.calls]
        lines = [forward.line(i, access, 8) for i, access in enumerate(accesses[:-1])]
        if template.calls[end].outputs == block.outputs:
            result = forward.expression(end, accesses[end])
        else:
            lines.append(forward.line(end, accesses[end], 8))
            result = forward.value(block.outputs[0])
        return f"\n{head}{''.join(lines)}{statement(8, 'return ', result)}"

    # The network

    def _network_class(self) -> str:
        metadata = self.graph.metadata
        title = metadata.description.partition(",")[0] if metadata.source == "catalogue" else metadata.name
        parts = self._parts(self.root, [literal(value) for value in self.root.values], [])
        lines = [
            f"class {class_identifier(title, self.taken)}(nn.Module):\n",
            f'    """{printable(metadata.name)}: the whole network."""\n\n',
            "    def __init__(self) -> None:\n        super().__init__()\n",
            *(_registration(name, part) for name, part in parts.items()),
            *self._shared_tensors(),
        ]
        if self.graph.dtype != "float32":
            lines.append(f"        self.to(torch.{self.graph.dtype})\n")
        return "".join([*lines, "\n", *self._network_forward()])

    def _shared_tensors(self) -> list[str]:
        """Statements that let calls share tensors, and exclude frozen tensors from training."""
        lines: list[str] = []
        holders: dict[str, str] = {}
        paths = {block.node.name: block.path for block in self.blocks.values() if block.node}
        for node in self.graph.nodes:
            for name, tensor in self.graph.tensors(node):
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
        calls = self._calls_in_order(inputs)
        forward = ForwardCode(calls, inputs, [*outputs, *main], nested=False)
        parameters = ["self", *(f"{forward.variable[name]}: Tensor" for name in inputs)]
        kinds = dict.fromkeys("Tensor" if len(names) == 1 else "tuple[Tensor, ...]" for names in (main, outputs))
        lines, in_training = [signature("forward", parameters, " | ".join(kinds))], False
        evaluation_lines: list[str] = []
        for i, each in enumerate(calls):
            training, evaluation = self._modes(each)
            if training and not in_training:
                lines.append("        if self.training:\n")
            in_training = training
            access = self._access(each.block, self.root.block)
            line = forward.line(i, access, 12 if training else 8, fresh=training)
            (evaluation_lines if evaluation else lines).append(self._with_shape(line, each.outputs[0]))
        if outputs != main:
            results = ", ".join(forward.variable[name] for name in outputs)
            lines.append(f"        if self.training:\n            return {results}\n")
        results = ", ".join(forward.variable[name] for name in main)
        return [*lines, *evaluation_lines, f"        return {results}\n"]

    def _modes(self, each: BlockCall) -> tuple[bool, bool]:
        """Whether a call runs only in training mode, and whether only in evaluation mode."""
        name = each.block.nodes[0].name
        return name in self.tree.training, name in self.tree.evaluation

    def _calls_in_order(self, inputs: list[str]) -> list[BlockCall]:
        """The network's calls, with those of training mode as soon as their inputs are available."""
        waiting = [each for each in self.root.calls if self._modes(each)[0]]
        order, known = [], set(inputs)
        for each in self.root.calls:
            if self._modes(each)[0]:
                continue
            order.append(each)
            known.update(each.outputs)
            while ready := next((call for call in waiting if known.issuperset(call.inputs)), None):
                waiting.remove(ready)
                order.append(ready)
                known.update(ready.outputs)
        return order

    def _with_shape(self, line: str, name: str) -> str:
        """The statement with its result's shape as a comment, if that fits the line."""
        shape = self.tree.types[name][0].shape
        noted = f"{line.rstrip()}  # {format_shape(shape[1:])}\n"
        return noted if len(shape) > 1 and len(noted.splitlines()[-1]) <= MAX_LINE_LENGTH else line

    # Modules

    def _access(self, block: ModuleBlock, inside: ModuleBlock) -> str:
        return accessor(block, inside, self._is_dict, self.blocks)

    def _is_dict(self, block: ModuleBlock) -> bool:
        """Whether a block's class is a dict of modules: a part's name is not an attribute, or there is no `forward`."""
        if block.module or not block.path:
            return False
        if not block.closed:
            return True
        return not all(is_attribute(name) for name, part in block.parts.items() if not part.is_expression)

    def _parts(self, template: BlockTemplate, values: Sequence[str], channels: Sequence[str]) -> dict[str, Expression]:
        """The constructors of a block's parts, with the texts of its placeholders and of its inputs' channels."""
        parts = {}
        for name, block in template.block.parts.items():
            if name in template.parts:
                part, offset = template.parts[name], template.offsets[name]
                part_channels = [channels_text(terms, values, channels) for terms in template.part_inputs[name]]
                parts[name] = self._instance(part, values[offset : offset + len(part.values)], part_channels)
            elif template.kind == "chain" and block.module:
                parts[name] = constructor("nn.Flatten", {k: literal(v) for k, v in block.module.arguments.items()})
        return parts

    def _instance(self, template: BlockTemplate, values: Sequence[str], channels: Sequence[str]) -> Expression:
        """The constructor of one block's module."""
        if template.key in self.classes:
            each = self.classes[template.key]
            positional = [values[index] for index in each.arguments if each.is_positional(index)]
            named = {
                name: values[index]
                for index, name in each.arguments.items()
                if not each.is_positional(index) and not is_default(template.labels[index][-1], values[index])
            }
            return call(each.name, *(channels[i] for i in each.channel_arguments), *positional, **named)
        if template.kind == "leaf":
            return own_constructor(template, values, channels)
        parts = dictionary(self._parts(template, values, channels))
        return (
            call("nn.Sequential", call("OrderedDict", parts))
            if template.kind == "chain"
            else call("nn.ModuleDict", parts)
        )


def _init_signature(each: SourceClass) -> str:
    parameters = ["self", *(f"{name}: int" for name in each.channel_arguments.values())]
    defaulted: list[str] = []
    for index, name in each.arguments.items():
        kinds = sorted({annotation(member.values[index]) for member in each.members}, key=len)
        field = each.members[0].labels[index][-1]
        default = f" = {literal(DEFAULTS[field])}" if field in DEFAULTS else ""
        (defaulted if default else parameters).append(f"{name}: {' | '.join(kinds)}{default}")
    return signature("__init__", [*parameters, *defaulted], "None")


def _registration(name: str, module: Expression) -> str:
    """The statement that registers a submodule."""
    if is_attribute(name):
        return statement(8, f"self.{name} = ", module)
    return statement(8, "", call("self.add_module", literal(name), module))
