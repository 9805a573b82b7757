"""How the nodes of a graph are connected: chains, dominators, and modules between a fork and its join."""

from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from itertools import chain, count

from inception_lens import ops
from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Node
from inception_lens.ops import Concat, Dropout, Op, Shape

Convolution = ops.Conv1d | ops.Conv2d | ops.Conv3d
BatchNorm = ops.BatchNorm1d | ops.BatchNorm2d | ops.BatchNorm3d


class GraphStructure:
    """A graph with the relations between nodes that rewrites need."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = graph.index.nodes
        self.outputs = {self.producer(output.node) for output in graph.outputs}

    def producer(self, name: str) -> str:
        """The node or graph input that produces the tensor called `name`."""
        return self.graph.index.producer[name]

    def readers(self, node: Node) -> list[Node]:
        """The nodes that read `node`, one entry per input."""
        return [self.graph.nodes[i] for i in self.graph.index.readers[node.name]]

    def shape(self, name: str) -> Shape:
        """Shape of a tensor."""
        return self.graph.types[name][0].shape

    def only_reader(self, node: Node) -> Node | None:
        """The only reader of `node`; None where there are several or none, or `node` is a graph output."""
        found = self.readers(node)
        return found[0] if len(found) == 1 and node.name not in self.outputs else None

    def chain(self, node: Node) -> Iterator[Node]:
        """The nodes after `node`, each the only reader of the one before, with a single input."""
        following = self.only_reader(node)
        while following is not None and len(following.inputs) == 1:
            yield following
            following = self.only_reader(following)

    def followers(self, node: Node) -> tuple[Node, ...]:
        """The norm and activation of a layer: the chain of nodes that only finish it."""
        found: list[Node] = []
        for following in self.chain(node):
            if not follows(following):
                break
            found.append(following)
        return tuple(found)

    def next_layer(self, node: Node) -> Node | None:
        """The only reader of `node`, or of its norm and activation; None unless it has a single input."""
        last = (node, *self.followers(node))[-1]
        following = self.only_reader(last)
        return following if following is not None and len(following.inputs) == 1 else None

    @cached_property
    def shared(self) -> frozenset[str]:
        """Nodes that share a parameter with another call, so that changing one would change both."""
        users: dict[str, list[str]] = {}
        for node in self.graph.nodes:
            for tensor in node.parameters:
                users.setdefault(tensor, []).append(node.name)
        return frozenset(chain.from_iterable(names for names in users.values() if len(names) > 1))

    def check_unshared(self, *nodes: Node) -> None:
        """Raise a GraphError if one of the nodes is in `shared`."""
        if not self.shared.isdisjoint(node.name for node in nodes):
            raise GraphError("it shares weights with another call")

    def residuals(self) -> dict[str, str]:
        """Convolutions whose output, after norm and activation, is added to an earlier tensor, by that tensor."""
        order = self.graph.index.position
        found = {}
        for node in self.graph.nodes:
            if isinstance(node.op, ops.Add) or (isinstance(node.op, ops.Elementwise) and node.op.function == "add"):
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
        """The immediate dominator of each node: the last node on every path to it; "" stands for the inputs.

        One pass in topological order (K. Cooper et al., "A Simple, Fast Dominance Algorithm", 2001, Figure 3).
        """
        order = {name: i for i, name in enumerate(chain((i.name for i in self.graph.inputs), self.nodes))}
        order[""] = -1
        found = {given.name: "" for given in self.graph.inputs}
        for node in self.graph.nodes:
            common = self.producer(node.inputs[0]) if node.inputs else ""
            for name in node.inputs[1:]:
                common = _common_ancestor(common, self.producer(name), found, order)
            found[node.name] = common
        return found

    @cached_property
    def joins(self) -> dict[str, str]:
        """For each node, the first channel concatenation on every path from it to an output, if there is one."""
        order = {name: -i for i, name in enumerate(self.nodes)}
        order[""] = -len(order)
        last: dict[str, str] = {}  # the immediate post-dominator: `dominators` on the reversed graph
        found: dict[str, str] = {}
        for node in reversed(self.graph.nodes):
            reads = self.readers(node)
            common = "" if node.name in self.outputs or not reads else reads[0].name
            for reader in reads[1:] if common else ():
                common = _common_ancestor(common, reader.name, last, order)
            last[node.name] = common
            if common and is_join(self.nodes[common]):
                found[node.name] = common
            elif common in found:
                found[node.name] = found[common]
        return found

    def in_module(self, name: str) -> bool:
        """Whether a node is between a fork and the concatenation that joins all of its branches."""
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


def _common_ancestor(a: str, b: str, above: dict[str, str], order: dict[str, int]) -> str:
    """The nearest common ancestor of `a` and `b` in the tree `above`."""
    while a != b:
        if order[a] > order[b]:
            a = above[a]
        else:
            b = above[b]
    return a


def follows(node: Node) -> bool:
    """Whether a node only finishes the layer before it, such as a norm or activation, and has no other input."""
    # Dropout finishes a layer too, but a rewrite that repeats a layer with what follows it must not repeat dropout.
    return node.role == "finish" and not isinstance(node.op, Dropout)


def is_join(node: Node) -> bool:
    """Whether a node concatenates branches along the channels."""
    return isinstance(node.op, Concat) and node.op.dim == 1 and len(node.inputs) > 1


@lru_cache(4096)  # a graph has few different operations
def pointwise(op: Op) -> bool:
    """Whether an operation is a 1x1 convolution: every output position reads one input position."""
    if not isinstance(op, Convolution) or max(op.kernel_size) > 1:
        return False
    return op.padding == "same" or not any(pad not in (0, (0, 0)) for pad in op.padding)


def short_padding(pairs: Iterable[tuple[int, int]]) -> tuple[int | tuple[int, int], ...]:
    """Padding before and after, per axis; two equal numbers are written as one."""
    return tuple([before if before == after else (before, after) for before, after in pairs])


def dense(op: Op) -> bool:
    """Whether an operation is a convolution larger than 1x1, with one group and without dilation."""
    return isinstance(op, Convolution) and max(op.kernel_size) > 1 and op.groups == 1 and max(op.dilation) == 1


def depthwise(op: Op, channels: int) -> bool:
    """Whether a convolution of `channels` input channels is depthwise."""
    return isinstance(op, Convolution) and 1 < op.groups == channels


def unused_name(structure: GraphStructure, name: str) -> str:
    """`name`, with a number appended if a node has that name already."""
    numbered = (f"{name}_{i}" for i in count(2))
    return next(each for each in chain([name], numbered) if each not in structure.graph.index.producer)
