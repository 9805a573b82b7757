"""How a graph hangs together: readers, chains, and what lies between a fork and the place where it joins again."""

from collections.abc import Iterator
from functools import cached_property
from itertools import chain, count

from inception_lens.graph import Graph, Node
from inception_lens.ops import (
    Add,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Concat,
    Conv1d,
    Conv2d,
    Conv3d,
    Dropout,
    Elementwise,
    Op,
    Shape,
)

Convolution = Conv1d | Conv2d | Conv3d
BatchNorm = BatchNorm1d | BatchNorm2d | BatchNorm3d


class Structure:
    """A graph and who reads what in it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = graph.index.nodes
        self.outputs = {self.producer(output.node) for output in graph.outputs}

    def producer(self, name: str) -> str:
        """The node, or graph input, that makes the tensor called `name`."""
        return self.graph.index.producer[name]

    def readers(self, node: Node) -> list[Node]:
        """The nodes that read `node`, one entry per input."""
        return [self.graph.nodes[i] for i in self.graph.index.readers[node.name]]

    def shape(self, name: str) -> Shape:
        """Shape of a tensor."""
        return self.graph.types[name][0].shape

    def only_reader(self, node: Node) -> Node | None:
        """The one node that reads `node`; None where there are several or none, or the caller reads it."""
        found = self.readers(node)
        return found[0] if len(found) == 1 and node.name not in self.outputs else None

    def chain(self, node: Node) -> Iterator[Node]:
        """The nodes behind `node`, each the only reader of the one before and reading nothing else."""
        following = self.only_reader(node)
        while following is not None and len(following.inputs) == 1:
            yield following
            following = self.only_reader(following)

    def followers(self, node: Node) -> tuple[Node, ...]:
        """The norm and the activation that belong to a layer: what follows it, element by element, for it alone."""
        found: list[Node] = []
        for following in self.chain(node):
            if not follows(following):
                break
            found.append(following)
        return tuple(found)

    def behind(self, node: Node) -> Node | None:
        """What alone reads `node`, or reads its norm and activation."""
        last = (node, *self.followers(node))[-1]
        following = self.only_reader(last)
        return following if following is not None and len(following.inputs) == 1 else None

    @cached_property
    def shared(self) -> frozenset[str]:
        """Nodes that share a tensor with another call: to change one would change both."""
        users: dict[str, list[str]] = {}
        for node in self.graph.nodes:
            for tensor in node.parameters:
                users.setdefault(tensor, []).append(node.name)
        return frozenset(chain.from_iterable(names for names in users.values() if len(names) > 1))

    def residuals(self) -> dict[str, str]:
        """Convolutions whose output, behind norm and activation, is added to a tensor that is there before them."""
        order = self.graph.index.position
        found = {}
        for node in self.graph.nodes:
            if isinstance(node.op, Add) or (isinstance(node.op, Elementwise) and node.op.function == "add"):
                for name in node.inputs:
                    last = self.nodes.get(name)
                    while last is not None and self.only_reader(last) is not None and follows(last):
                        last = self.nodes.get(last.inputs[0])
                    if last is None or not isinstance(last.op, Convolution) or self.only_reader(last) is None:
                        continue
                    earlier = [at for at in node.inputs if order[at] < order[last.name]]
                    if earlier:
                        found[last.name] = earlier[0]
        return found

    @cached_property
    def dominators(self) -> dict[str, str]:
        """The immediate dominator of each node: the last that every path to it runs through; "" is the outside.

        One pass in topological order (K. Cooper et al., "A Simple, Fast Dominance Algorithm", 2001, Figure 3).
        """
        order = {name: i for i, name in enumerate(chain((i.name for i in self.graph.inputs), self.nodes))}
        order[""] = -1
        found = {given.name: "" for given in self.graph.inputs}
        for node in self.graph.nodes:
            common = self.producer(node.inputs[0]) if node.inputs else ""
            for name in node.inputs[1:]:
                common = _meeting(common, self.producer(name), found, order)
            found[node.name] = common
        return found

    @cached_property
    def joins(self) -> dict[str, str]:
        """For each node the first concatenation of channels that everything behind it runs through, if there is one."""
        order = {name: -i for i, name in enumerate(self.nodes)}
        order[""] = -len(order)
        last: dict[str, str] = {}  # the immediate post-dominator: as `dominators`, against the arrows
        found: dict[str, str] = {}
        for node in reversed(self.graph.nodes):
            reads = self.readers(node)
            common = "" if node.name in self.outputs or not reads else reads[0].name
            for reader in reads[1:] if common else ():
                common = _meeting(common, reader.name, last, order)
            last[node.name] = common
            if common and is_join(self.nodes[common]):
                found[node.name] = common
            elif common in found:
                found[node.name] = found[common]
        return found

    def in_module(self, name: str) -> bool:
        """Whether a node lies between a fork and the concatenation that joins all of its branches."""
        join = self.joins.get(name)
        order = self.graph.index.position
        while join:
            fork, above = self.dominators[join], name
            while order.get(above, -1) > order.get(fork, -1):
                above = self.dominators[above]
            if above == fork:
                return True
            outer = self.only_reader(self.nodes[join])  # a branch may join branches of its own
            join = outer.name if outer is not None and is_join(outer) else None
        return False


def _meeting(a: str, b: str, above: dict[str, str], order: dict[str, int]) -> str:
    """Where the ways from `a` and `b` meet."""
    while a != b:
        if order[a] > order[b]:
            a = above[a]
        else:
            b = above[b]
    return a


def follows(node: Node) -> bool:
    """Whether a node is the norm or the activation of the layer before it, and reads nothing else."""
    # Dropout finishes a layer too, but a rewrite that repeats a layer with what follows it must not repeat dropout.
    return node.role == "finish" and not isinstance(node.op, Dropout)


def is_join(node: Node) -> bool:
    """Whether a node joins branches along depth."""
    return isinstance(node.op, Concat) and node.op.dim == 1 and len(node.inputs) > 1


def pointwise(op: Op) -> bool:
    """Whether an operation is a 1x1 convolution: every output position sees one input position."""
    return (
        isinstance(op, Convolution)
        and max(op.kernel_size) == 1
        and (op.padding == "same" or not any(map(_any, op.padding)))
    )


def _any(pad: int | tuple[int, int]) -> bool:
    return any(pad) if isinstance(pad, tuple) else bool(pad)


def dense(op: Op) -> bool:
    """Whether an operation is a convolution larger than 1x1, of one group and without dilation."""
    return isinstance(op, Convolution) and max(op.kernel_size) > 1 and op.groups == 1 and max(op.dilation) == 1


def depthwise(op: Op, channels: int) -> bool:
    """Whether a convolution of `channels` keeps them apart."""
    return isinstance(op, Convolution) and 1 < op.groups == channels


def fresh(structure: Structure, name: str) -> str:
    """A name that no node has yet: `name`, or that with a number behind it."""
    numbered = (f"{name}_{i}" for i in count(2))
    return next(each for each in chain([name], numbered) if each not in structure.graph.index.producer)
