"""The graph as it grows while a model is traced: nodes with their names, and the tensors that they read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import torch
from torch import nn

from inception_lens.graph import Graph, Input, Metadata, Mode, Node, Output, output_name
from inception_lens.ops import Op, Parameter, Stored, TensorType
from inception_lens.ops.special import TensorKind
from inception_lens.pytorch.trace.standard_modules import OPERATION_NAMES
from inception_lens.pytorch.trace.survey import Survey
from inception_lens.pytorch.trace.values import NAMES, Traced


class Recorder:
    """Nodes, their types, and by identity the parameters and buffers that each reads."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.nodes: list[Node] = []
        self.types: dict[str, tuple[TensorType, ...]] = {}
        self.inputs: list[Input] = []
        self._reads: list[tuple[int, ...]] = []
        self._taken: dict[str, int] = {}
        self._scopes: list[tuple[str, str]] = [("", "")]
        self.last_scope = ""
        """Where the last operator was called that no rule of a module's answered."""

    @property
    def scope(self) -> str:
        """Path of the module that is running."""
        return self._scopes[-1][0]

    def enter(self, path: str, kind: type[nn.Module]) -> None:
        """A module begins to run."""
        self._scopes.append((path, OPERATION_NAMES.get(kind, "")))

    def leave(self) -> None:
        """The module that runs has ended."""
        self._scopes.pop()

    def owns(self, tensor: object) -> bool:
        """Whether a tensor is a parameter or a buffer, of the model or of a module that it keeps to itself."""
        if type(tensor) is Traced:  # nearly always, and `isinstance` with Parameter takes long
            return False
        return id(tensor) in self.survey.names or isinstance(tensor, nn.Parameter)

    def counts(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is a whole number that a module keeps, such as the batches that a batch norm has seen."""
        return tensor.dim() == 0 and not tensor.is_floating_point() and self.tensor_kind(tensor)[0] == "buffer"

    def tensor_kind(self, tensor: torch.Tensor) -> tuple[TensorKind, str]:
        """What a tensor from outside the forward pass is, and the path that it has in the graph."""
        name = self.survey.names.get(id(tensor))
        if name is None:
            return ("parameter" if self.owns(tensor) else "constant"), self.scoped("constant")
        return "buffer" if name in self.survey.buffers else "parameter", name.replace(".", "/")

    def add_input(self, name: str, type_: TensorType) -> str:
        """Write an input of the graph and return its name."""
        name = self._free(name)
        self.inputs.append(Input(name, type_))
        self.types[name] = (type_,)
        return name

    def add(
        self,
        name: str,
        op: Op,
        inputs: Sequence[str],
        types: tuple[TensorType, ...],
        reads: Iterable[torch.Tensor | None] = (),
    ) -> str:
        """Write a call that reads the model's tensors `reads`, and return its name."""
        name = self._free(name)
        self.nodes.append(Node(name, op, tuple(inputs)))
        self.types[name] = types
        for i in range(1, len(types)):
            self.types[output_name(name, i)] = (types[i],)
        self._reads.append(tuple([id(tensor) for tensor in reads if tensor is not None]))
        return name

    def call(
        self,
        function: str,
        op: Op,
        inputs: Sequence[str],
        types: tuple[TensorType, ...],
        reads: Iterable[torch.Tensor | None] = (),
    ) -> str:
        """Write what an operator does in the module that is running; what makes a standard module goes by its path."""
        path, kind = self._scopes[-1]
        self.last_scope = path
        name = path if path and op.kind == kind else self.scoped(function.strip("_"))
        return self.add(name, op, inputs, types, reads)

    def rename_last(self, name: str) -> str:
        """Give the last call, which has one output, another name, and return it."""
        node = self.nodes[-1]
        self._taken.pop(node.name, None)
        self.types[name := self._free(name)] = self.types.pop(node.name)
        self.nodes[-1] = msgspec.structs.replace(node, name=name)
        return name

    def scoped(self, name: str) -> str:
        """The path of what is called `name` in the module that is running."""
        return f"{self.scope}/{name}" if self.scope else name

    def _free(self, name: str) -> str:
        number = self._taken.get(name)
        if number is None and name not in self.types:
            self._taken[name] = 0
            return name
        while True:
            number = (number or 0) + 1
            self._taken[name] = number
            numbered = f"{name}_{number}"
            if numbered not in self.types:
                return numbered

    def graph(self, outputs: Iterable[str], mode: Mode, metadata: Metadata) -> Graph:
        """The graph recorded so far."""
        nodes, reads = self._alive(outputs := list(outputs))
        parameters, names = self.survey.parameters, dict(self.survey.names)
        for node, tensors in zip(nodes, reads, strict=True):
            for i, each in enumerate(tensors):
                if each not in names:  # a module that the model does not know as its own
                    names[each] = f"{node.name}.{i}"
        read = [names[each] for tensors in reads for each in tensors]
        frozen = frozenset([name for name, tensor in parameters.items() if not tensor.requires_grad])
        used = set(read)
        if frozen or len(used) < len(read):  # then tensors go by the model's own names: some are shared, or not trained
            nodes = [
                msgspec.structs.replace(node, parameters=tuple([names[each] for each in tensors])) if tensors else node
                for node, tensors in zip(nodes, reads, strict=True)
            ]
        unused = [Parameter(name, tuple(each.shape)) for name, each in parameters.items() if name not in used]
        return Graph(
            inputs=tuple(self.inputs),
            nodes=tuple(nodes),
            outputs=tuple([Output(name) for name in outputs]),
            types=self.types,
            mode=mode,
            dtype=NAMES.get(self.survey.dtype, "float32"),
            unused=tuple(unused),
            frozen=frozen,
            metadata=metadata,
        )

    def _alive(self, outputs: Iterable[str]) -> tuple[list[Node], list[tuple[int, ...]]]:
        """All calls but the views and constants that nothing reads: a model asks for many that it then leaves."""
        read = set(outputs)
        nodes, reads = [], []
        for node, tensors in zip(reversed(self.nodes), reversed(self._reads), strict=True):
            idle = isinstance(node.op, Stored) or (node.op.category == "shape" and node.op.reuses_input(False))
            if idle:
                names = [output_name(node.name, i) for i in range(len(self.types[node.name]))]
                if read.isdisjoint(names):
                    for name in names:
                        del self.types[name]
                    continue
            read.update(node.inputs)
            nodes.append(node)
            reads.append(tensors)
        return nodes[::-1], reads[::-1]
