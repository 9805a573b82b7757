"""The graph as it grows while a model is traced: nodes with their names, and the tensors that they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from torch import Tensor, nn

from inception_lens.graph import Graph, Input, Metadata, Mode, Node, Output, facts_of, output_name
from inception_lens.ops import Op, Parameter, Stored, TensorType
from inception_lens.ops.special import TensorKind
from inception_lens.pytorch.trace.model_index import ModelIndex
from inception_lens.pytorch.trace.standard_modules import OPERATION_NAMES
from inception_lens.pytorch.trace.traced_tensor import DTYPE_NAMES, TracedTensor


class Recorder:
    """Nodes and the types of their outputs; which parameters and buffers each reads is kept by identity.

    Tensors are named when the graph is complete: only then is it known whether any is shared between calls.
    """

    def __init__(self, index: ModelIndex) -> None:
        self.index = index
        self.nodes: list[Node] = []
        self.types: dict[str, tuple[TensorType, ...]] = {}
        self.inputs: list[Input] = []
        self._reads: list[tuple[int, ...]] = []
        """For each node the identities of the parameters and buffers that it reads."""
        self._numbers: dict[str, int] = {}
        """The last number that was appended to a name to make it unique."""
        self._scopes: list[tuple[str, str]] = [("", "")]
        """Path of each running module, and the operation that its class is if it is a standard one."""
        self.casts: dict[int, Tensor] = {}
        """The parameter or buffer of which a traced tensor is the cast by `torch.autocast`, by the traced tensor."""
        self.autocast = False
        """Whether anything was cast by `torch.autocast`, so that the dtypes of calls are compared with their rules'."""
        self.last_scope = ""
        """Path of the module that called the last operator."""

    @property
    def scope(self) -> str:
        """Path of the module that is running."""
        return self._scopes[-1][0]

    def enter(self, path: str, kind: type[nn.Module]) -> None:
        """Note that a module starts to run."""
        self._scopes.append((path, OPERATION_NAMES.get(kind, "")))

    def leave(self) -> None:
        """Note that the running module has returned."""
        self._scopes.pop()

    def owns(self, tensor: object) -> bool:
        """Whether a tensor is a parameter or a buffer, also of a module that the model does not register."""
        if type(tensor) is TracedTensor:  # the usual case, and faster than `isinstance` with Parameter
            return id(tensor) in self.casts
        return id(tensor) in self.index.names or isinstance(tensor, nn.Parameter)

    def is_counter(self, tensor: Tensor) -> bool:
        """Whether a tensor is an integer that a module keeps, such as a batch norm's number of batches."""
        return tensor.dim() == 0 and not tensor.is_floating_point() and self.tensor_kind(tensor)[0] == "buffer"

    def tensor_kind(self, tensor: Tensor) -> tuple[TensorKind, str]:
        """The kind of a tensor that is not computed in the forward pass, and its path in the graph."""
        name = self.index.names.get(id(tensor))
        if name is None:
            return ("parameter" if self.owns(tensor) else "constant"), self.scoped("constant")
        return "buffer" if name in self.index.buffers else "parameter", name.replace(".", "/")

    def add_input(self, name: str, type_: TensorType) -> str:
        """Add an input of the graph and return its name."""
        name = self._unique(name)
        self.inputs.append(Input(name, type_))
        self.types[name] = (type_,)
        return name

    def add(
        self,
        name: str,
        op: Op,
        inputs: Sequence[str],
        types: tuple[TensorType, ...],
        reads: Iterable[Tensor | None] = (),
    ) -> str:
        """Add a call that reads the parameters and buffers `reads`, and return its name.

        A model that is itself a standard module has no path; its call is named after the operation.
        """
        name = self._unique(name or op.kind)
        dtype = self._cast_dtype(op, inputs, types) if self.autocast else ""
        self.nodes.append(Node(name, op, tuple(inputs), dtype=dtype))
        self.types[name] = types
        for i in range(1, len(types)):
            self.types[output_name(name, i)] = (types[i],)
        self._reads.append(tuple([id(tensor) for tensor in reads if tensor is not None]))
        return name

    def _cast_dtype(self, op: Op, inputs: Sequence[str], types: tuple[TensorType, ...]) -> str:
        """The dtype of a call's outputs if it is not the one that the operation has on its inputs as they were."""
        ruled = op.output_types(tuple([self.types[name][0] for name in inputs]))
        return types[0].dtype if types != ruled else ""

    def add_operator(
        self,
        function: str,
        op: Op,
        inputs: Sequence[str],
        types: tuple[TensorType, ...],
        reads: Iterable[Tensor | None] = (),
    ) -> str:
        """Add the call of an operator in the running module, and return its name.

        The call is named after the function, or after the module if it is the one operation of a standard module.
        """
        path, kind = self._scopes[-1]
        self.last_scope = path
        name = path if path and op.kind == kind else self.scoped(function.strip("_"))
        return self.add(name, op, inputs, types, reads)

    def rename_last(self, name: str) -> str:
        """Give the last call, which has one output, another name, and return it."""
        node = self.nodes[-1]
        self._numbers.pop(node.name, None)
        self.types[name := self._unique(name)] = self.types.pop(node.name)
        self.nodes[-1] = msgspec.structs.replace(node, name=name)
        return name

    def scoped(self, name: str) -> str:
        """The path of `name` in the running module."""
        return f"{self.scope}/{name}" if self.scope else name

    def _unique(self, name: str) -> str:
        number = self._numbers.get(name)
        if number is None and name not in self.types:
            self._numbers[name] = 0
            return name
        while True:
            number = (number or 0) + 1
            self._numbers[name] = number
            numbered = f"{name}_{number}"
            if numbered not in self.types:
                return numbered

    def graph(self, outputs: Sequence[str], mode: Mode, metadata: Metadata) -> Graph:
        """The graph recorded so far."""
        nodes, reads = self._used_nodes(outputs)
        parameters, names = self.index.parameters, dict(self.index.names)
        for node, tensors in zip(nodes, reads, strict=True):
            for i, each in enumerate(tensors):
                if each not in names:  # of a module that the model does not register
                    names[each] = f"{node.name}.{i}"
        read = [names[each] for tensors in reads for each in tensors]
        kept = self._kept_as_buffers(nodes, reads, names) if self.index.buffers else frozenset()
        frozen = kept.union([name for name, tensor in parameters.items() if not tensor.requires_grad])
        used = set(read)
        dtypes = self.index.other_dtypes(used)
        if frozen or dtypes or len(used) < len(read):  # their own names are needed where they are shared or differ
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
            facts=facts_of(nodes, self.types),
            mode=mode,
            dtype=DTYPE_NAMES[self.index.dtype],
            dtypes=dtypes,
            unused=tuple(unused),
            frozen=frozen,
            kept=kept,
            metadata=metadata,
        )

    def _kept_as_buffers(
        self, nodes: Sequence[Node], reads: Sequence[tuple[int, ...]], names: Mapping[int, str]
    ) -> frozenset[str]:
        """Names of the buffers that calls read where their operations have parameters."""
        buffers, found = self.index.buffers, set[str]()
        for node, tensors in zip(nodes, reads, strict=True):
            if tensors and type(node.op) is not Stored:
                statistics = 2 if getattr(node.op, "track", False) else 0  # of a norm, after its parameters
                found.update([names[each] for each in tensors[: len(tensors) - statistics]])
        return frozenset(found & buffers.keys())

    def depending_on(self, inputs: Iterable[str]) -> set[str]:
        """Names of inputs and of all outputs of the calls that depend on them."""
        found = set(inputs)
        for node in self.nodes:
            if not found.isdisjoint(node.inputs):
                found.update([output_name(node.name, i) for i in range(len(self.types[node.name]))])
        return found

    def _used_nodes(self, outputs: Iterable[str]) -> tuple[list[Node], list[tuple[int, ...]]]:
        """All calls except views and stored tensors that no call reads, and what each reads.

        A model creates many of those to look at their shape only. They cost nothing, so the graph leaves them out.
        Calls that compute stay even if nothing reads them: the model does spend their MACs.
        """
        read = set(outputs)
        nodes, reads = [], []
        for node, tensors in zip(reversed(self.nodes), reversed(self._reads), strict=True):
            free = isinstance(node.op, Stored) or (node.op.category == "shape" and node.op.reuses_input(False))
            if free:
                names = [output_name(node.name, i) for i in range(len(self.types[node.name]))]
                if read.isdisjoint(names):
                    for name in names:
                        del self.types[name]
                    continue
            read.update(node.inputs)
            nodes.append(node)
            reads.append(tensors)
        return nodes[::-1], reads[::-1]
