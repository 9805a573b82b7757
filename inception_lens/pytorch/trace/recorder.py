"""The graph as it grows while a model is traced: nodes with their names, and the tensors that they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import torch
from torch import Tensor, nn

from inception_lens.graph import CallFacts, Graph, Input, Metadata, Mode, Node, Output, output_name, output_names
from inception_lens.ops import Declared, Op, Parameter, Stored, TensorType
from inception_lens.ops.special import TensorKind
from inception_lens.pytorch.trace.model_index import ModelIndex
from inception_lens.pytorch.trace.packed_weights import PackedTensors
from inception_lens.pytorch.trace.standard_modules import OPERATION_NAMES
from inception_lens.pytorch.trace.traced_tensor import DTYPE_NAMES, TracedTensor
from inception_lens.pytorch.trace.zeros import nonzero_elements


class Recorder:
    """Nodes and the types of their outputs; which parameters and buffers each reads is kept by identity.

    Tensors are named when the graph is complete: only then is it known whether any is shared between calls.
    """

    def __init__(self, index: ModelIndex) -> None:
        self.index = index
        self.nodes: list[Node] = []
        self.facts: list[CallFacts] = []
        """What each node shares with others that call the same operation on the same types."""
        self._known_facts: dict[object, CallFacts] = {}
        self.types: dict[str, tuple[TensorType, ...]] = {}
        self.inputs: list[Input] = []
        self._reads: list[tuple[Tensor, ...]] = []
        """For each node the parameters and buffers that it reads."""
        self._untrained: set[int] = set()
        """Identities of the parameters and buffers among them that training does not change."""
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
        self._detached: set[int] = set()
        """Positions of the calls whose outputs need no gradient although their inputs may."""
        self._disabled_since: int | None = None
        """Position of the first call since the model has disabled gradients; None if they are enabled."""

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

    def unpacked(self, packed: torch.ScriptObject) -> PackedTensors:
        """The tensors of a packed object that the running module reads."""
        return self.index.packed.tensors_of(packed, self.scope.replace("/", "."))

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
        name = self._numbered(name) if name in self.types else name
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
        facts = self._facts(op, inputs, types)
        return self.add_call(name or op.kind, facts, tuple(inputs), [each for each in reads if each is not None])

    def _facts(self, op: Op, inputs: Sequence[str], types: tuple[TensorType, ...]) -> CallFacts:
        given = tuple([self.types[each][0] for each in inputs])
        facts = self._known_facts.get(key := (op, given, types))
        if facts is None:
            facts = self._known_facts[key] = CallFacts.of(op, given, types)
        return facts

    def add_operator(
        self,
        function: str,
        op: Op,
        inputs: Sequence[str],
        types: tuple[TensorType, ...],
        reads: Iterable[Tensor | None] = (),
    ) -> str:
        """Add the call of an operator in the running module, and return its name; `operator_name` gives it."""
        return self.add(self.operator_name(function.strip("_"), op), op, inputs, types, reads)

    def operator_name(self, function: str, op: Op) -> str:
        """The name of an operator's call in the running module, before it is made unique.

        The call is named after the function, or after the module if it is the one operation of a standard module.
        """
        path, own_kind = self._scopes[-1]
        self.last_scope = path
        if not path:
            return function
        return path if own_kind and own_kind == op.kind else f"{path}/{function}"

    def add_call(self, name: str, facts: CallFacts, inputs: tuple[str, ...], reads: Sequence[Tensor]) -> str:
        """Add a call that reads the parameters and buffers `reads`, and return its name, which is made unique."""
        types = self.types
        if name in types:
            name = self._numbered(name)
        dtype = ""
        if self.autocast:  # inputs have the types that they had before the cast
            facts = self._facts(facts.op, inputs, facts.outputs)
            if facts.outputs != facts.op.output_types(facts.inputs):
                dtype = facts.outputs[0].dtype
        self.nodes.append(Node(name, facts.op, inputs, (), dtype))
        self.facts.append(facts)
        types[name] = outputs = facts.outputs
        if len(outputs) > 1:
            for i in range(1, len(outputs)):
                types[output_name(name, i)] = (outputs[i],)
        self._reads.append(tuple(reads))
        for tensor in reads:
            if not tensor.requires_grad:
                self._untrained.add(id(tensor))
        return name

    def rename_last(self, name: str) -> str:
        """Give the last call, which has one output, another name, and return it."""
        node = self.nodes[-1]
        types = self.types.pop(node.name)
        name = self._numbered(name) if name in self.types else name
        self.types[name] = types
        self.nodes[-1] = Node(name, node.op, node.inputs, node.parameters, node.dtype)
        return name

    def add_detached(self, path: str, type_: TensorType) -> str:
        """Add the call that returns a tensor without its gradient, and return its name.

        PyTorch itself detaches some tensors that the model creates, which have no gradient: they stay as they are.
        """
        last = self.nodes[-1] if self.nodes else None
        if last is not None and last.name == path and type(last.op) is Stored and last.op.tensor_kind == "constant":
            return path
        self._detached.add(len(self.nodes))
        return self.add_operator("detach", Declared("detach", (type_,), view=True), [path], (type_,))

    def note_gradients(self, are_enabled: bool) -> None:
        """Note that the model enables or disables gradients."""
        if self._disabled_since is not None:
            self._detached.update(range(self._disabled_since, len(self.nodes)))
        self._disabled_since = None if are_enabled else len(self.nodes)

    def _detached_names(self) -> frozenset[str]:
        """The outputs that need no gradient; what is written in place of a tensor still needs that of the tensor."""
        self.note_gradients(self._disabled_since is None)
        return frozenset([
            name
            for i in self._detached
            if not (getattr(op := self.nodes[i].op, "inplace", False) or op.kind == "written")
            for name in output_names(self.nodes[i].name, len(self.facts[i].outputs))
            if name in self.types
        ])  # fmt: skip

    def scoped(self, name: str) -> str:
        """The path of `name` in the running module."""
        return f"{self.scope}/{name}" if self.scope else name

    def _numbered(self, name: str) -> str:
        number = self._numbers.get(name, 0)
        while True:
            number += 1
            numbered = f"{name}_{number}"
            if numbered not in self.types:
                self._numbers[name] = number
                return numbered

    def graph(self, outputs: Sequence[str], mode: Mode, metadata: Metadata) -> Graph:
        """The graph recorded so far."""
        nodes, facts, reads = self._used_nodes(outputs)
        parameters, names = self.index.learned, self.index.names
        hidden_frozen: list[str] = []
        if hidden := self._hidden_names(nodes, reads):
            names = hidden | names
            hidden_frozen = [hidden[each] for each in self._untrained if each in hidden]
        used = {names[id(each)] for tensors in reads for each in tensors}
        kept = self._kept_as_buffers(facts, reads, names) if self.index.buffers else frozenset()
        frozen = kept.union(hidden_frozen, [name for name, tensor in parameters.items() if not tensor.requires_grad])
        dtypes = self.index.other_dtypes(used)
        nonzero = nonzero_elements(self.index)
        # Tensors that the graph refers to by name are known by the model's own names.
        always = bool(frozen or dtypes or nonzero or len(used) < sum(map(len, reads)))
        for i, tensors in enumerate(reads):
            if tensors:
                own = tuple([names[id(each)] for each in tensors])
                if always or (not _are_derived(own, nodes[i], facts[i]) and not hidden.keys() & map(id, tensors)):
                    nodes[i] = msgspec.structs.replace(nodes[i], parameters=own)
        unused = [Parameter(name, tuple(each.shape)) for name, each in parameters.items() if name not in used]
        return Graph(
            inputs=tuple(self.inputs),
            nodes=tuple(nodes),
            outputs=tuple([Output(name) for name in outputs]),
            types=self.types,
            facts=tuple(facts),
            mode=mode,
            dtype=DTYPE_NAMES[self.index.dtype],
            dtypes=dtypes,
            unused=tuple(unused),
            frozen=frozen,
            kept=kept,
            detached=self._detached_names(),
            nonzero=nonzero,
            metadata=metadata,
        )

    def _hidden_names(self, nodes: Sequence[Node], reads: Sequence[tuple[Tensor, ...]]) -> dict[int, str]:
        """Names, by identity, of the tensors that belong to modules which the model does not register."""
        known = self.index.names
        return {
            id(each): f"{node.name}.{i}"
            for node, tensors in zip(nodes, reads, strict=True)
            for i, each in enumerate(tensors)
            if id(each) not in known
        }

    def _kept_as_buffers(
        self, facts: Sequence[CallFacts], reads: Sequence[tuple[Tensor, ...]], names: Mapping[int, str]
    ) -> frozenset[str]:
        """Names of the buffers that calls read where their operations have parameters."""
        found: set[int] = set()
        for each, tensors in zip(facts, reads, strict=True):
            if tensors and type(each.op) is not Stored:
                found.update(map(id, tensors[: len(each.parameters)]))
        return frozenset([names[each] for each in found]) & self.index.buffers.keys()

    def depends_on_inputs(self, outputs: Iterable[str], *, or_weights: bool = False) -> bool:
        """Whether any of these tensors depends on an input of the graph, or on a parameter or a buffer."""
        independent: set[str] = set()  # which few are
        for node, facts in zip(self.nodes, self.facts, strict=True):
            is_weight = type(node.op) is Stored and node.op.tensor_kind != "constant"
            if independent.issuperset(node.inputs) and not (or_weights and is_weight):
                independent.update(output_names(node.name, len(facts.outputs)))
        return not independent.issuperset(outputs)

    def _used_nodes(self, outputs: Iterable[str]) -> tuple[list[Node], list[CallFacts], list[tuple[Tensor, ...]]]:
        """All calls except views and stored tensors that no call reads, with their facts and what each reads.

        A model creates many of those to look at their shape only. They cost nothing, so the graph leaves them out.
        Calls that compute stay even if nothing reads them: the model does spend their MACs.
        """
        free = {
            facts
            for facts in set(self.facts)
            if type(facts.op) is Stored or (facts.reuses_input[0] and facts.op.category == "shape")
        }
        if not free:
            return self.nodes, self.facts, self._reads
        names = {
            i: output_names(self.nodes[i].name, len(facts.outputs))
            for i, facts in enumerate(self.facts)
            if facts in free
        }
        unread = {name for each in names.values() for name in each}.difference(outputs)
        used: list[int] = []
        for i in range(len(self.nodes) - 1, -1, -1):
            if i in names and unread.issuperset(names[i]):
                for name in names[i]:
                    del self.types[name]
            else:
                unread.difference_update(self.nodes[i].inputs)
                used.append(i)
        used.reverse()
        return [self.nodes[i] for i in used], [self.facts[i] for i in used], [self._reads[i] for i in used]


def _are_derived(names: tuple[str, ...], node: Node, facts: CallFacts) -> bool:
    """Whether the tensors of a node are called after it, so that `Node.parameters` need not hold their names."""
    module = node.name.replace("/", ".")
    return names == tuple([f"{module}.{tensor.role}" for tensor in (*facts.parameters, *facts.buffers)])
