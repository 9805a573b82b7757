"""Grid reduction after a module or inside it (arXiv 1512.00567, section 5, Figures 9 and 10)."""

import msgspec

from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Node
from inception_lens.ops import Op, format_shape
from inception_lens.rewrites.plan import Plan, Site, SkippedSite, planned
from inception_lens.rewrites.structure import Convolution, GraphStructure, follows, is_join, unused_name


def pooled_modules(graph: Graph) -> Plan:
    """Remove a strided pool that is the only reader of a concatenation; the last window of each branch gets the stride.

    In a branch that ends in a 1x1 convolution after a pool, that pool gets the stride. This is Figure 10: the work of
    the last layers falls by the stride in each dimension.
    """
    return planned(GraphStructure(graph), _with_strided_branches)


def strided_modules(graph: Graph) -> Plan:
    """Move the common stride of a module's branches into a pool after its concatenation.

    Convolutions get a stride of 1 and keep the size of the map. A branch that is only a pool becomes the map itself,
    and its pool moves after the concatenation. This is the right of Figure 9: the same widths and weights, more work.
    """
    return planned(GraphStructure(graph), _with_pool)


def _with_strided_branches(structure: GraphStructure, join: Node) -> Site | SkippedSite | None:
    pool = structure.next_layer(join) if is_join(join) else None
    if pool is None or pool.op.category != "pool" or max(_stride(pool.op)) < 2:
        return None
    if max(structure.shape(pool.name)[2:]) == 1:  # global pooling of a head
        return None
    try:
        ends = [_strided(structure, name, pool) for name in join.inputs]
    except GraphError as error:
        return SkippedSite(pool.name, str(error))
    what = f"stride {max(_stride(pool.op))} into {len(ends)} branches"
    replaced = (*[(each.name, (each,)) for each in ends], (pool.name, ()))
    return Site(pool.name, what, (*_branches(structure, join), pool.name), replaced, ((pool.name, pool.inputs[0]),))


def _strided(structure: GraphStructure, name: str, pool: Node) -> Node:
    """The window that gets the stride of `pool` in the branch that ends in `name`.

    Raises:
        GraphError: the branch cannot have the stride.
    """
    node = _window(structure, name)
    if node is None:
        raise GraphError(f"the branch of `{name}` does not end in a window of its own")
    before = structure.nodes.get(node.inputs[0])
    if max(node.op.kernel_size) == 1 and before is not None and before.op.category == "pool":  # type: ignore[attr-defined]
        if structure.only_reader(before) is None:
            raise GraphError(f"`{before.name}` has other readers")
        node = before
    if node.name in structure.shared or max(_stride(node.op)) > 1:
        raise GraphError(f"`{node.name}` has a stride already, or shares weights")
    op = pool.op if node.op.category == "pool" else msgspec.structs.replace(node.op, stride=_stride(pool.op))
    size, wanted = op.output_shape(structure.shape(node.inputs[0]))[2:], structure.shape(pool.name)[2:]
    if size != wanted:
        raise GraphError(
            f"the output of `{node.name}` is {format_shape(size)}, that of the pool {format_shape(wanted)}"
        )
    return msgspec.structs.replace(node, op=op)


def _with_pool(structure: GraphStructure, join: Node) -> Site | None:
    ends = [_window(structure, name) for name in join.inputs] if is_join(join) else []
    found = [node for node in ends if node is not None and max(_stride(node.op)) > 1]
    pools = [node for node in found if node.op.category == "pool"]
    if not pools or len(found) == len(pools):
        return None
    pool = pools[0]
    moved = [_unstrided(structure, node, pool) for node in found if node not in pools]
    if len(found) < len(ends):
        raise GraphError("a branch has no stride in its last window")
    if len(pools) > 1:
        raise GraphError("several branches are pools")
    name = unused_name(structure, f"{join.name}/{pool.name.rpartition('/')[2]}")
    inputs = tuple([pool.inputs[0] if each == pool.name else each for each in join.inputs])
    joined = (msgspec.structs.replace(join, inputs=inputs), Node(name, pool.op, (join.name,)))
    what = f"{len(ends)} branches of stride {max(_stride(pool.op))} for a pool after them"
    replaced = (*[(each.name, (each,)) for each in moved], (join.name, joined))
    return Site(join.name, what, _branches(structure, join), replaced, ((join.name, name),))


def _unstrided(structure: GraphStructure, node: Node, pool: Node) -> Node:
    """The convolution with a stride of 1, for a map of the size that `pool` reads.

    Raises:
        GraphError: it cannot keep the size of the map.
    """
    op = node.op
    assert isinstance(op, Convolution)
    if node.name in structure.shared:
        raise GraphError(f"`{node.name}` shares weights with another call")
    if _stride(op) != _stride(pool.op):
        raise GraphError(f"the strides of `{node.name}` and `{pool.name}` differ")
    ones, half = (1,) * op.dimensions, tuple([k // 2 for k in op.kernel_size])
    whole = msgspec.structs.replace(op, stride=ones, padding="same" if op.padding == "same" else half)
    size, wanted = whole.output_shape(structure.shape(node.inputs[0]))[2:], structure.shape(pool.inputs[0])[2:]
    if size != wanted:
        raise GraphError(
            f"the output of `{node.name}` without its stride is {format_shape(size)}, "
            f"the pool reads {format_shape(wanted)}"
        )
    return msgspec.structs.replace(node, op=whole)


def _window(structure: GraphStructure, name: str) -> Node | None:
    """The last convolution or pool of a branch that ends in `name`, before its norm and activation."""
    node = structure.nodes.get(name)
    while node is not None and structure.only_reader(node) is not None:
        if isinstance(node.op, Convolution) or (node.op.category == "pool" and min(_stride(node.op)) > 0):
            return node
        if not follows(node):
            return None
        node = structure.nodes.get(node.inputs[0])
    return None


def _stride(op: Op) -> tuple[int, ...]:
    stride: tuple[int, ...] = getattr(op, "stride", (0,))
    return stride


def _branches(structure: GraphStructure, join: Node) -> tuple[str, ...]:
    """The nodes from the fork of a module to its concatenation, which is included."""
    fork, found, waiting = structure.dominators[join.name], {join.name}, [join]
    while waiting:
        for name in map(structure.producer, waiting.pop().inputs):
            if name != fork and name not in found and name in structure.nodes:
                found.add(name)
                waiting.append(structure.nodes[name])
    return tuple(sorted(found, key=structure.graph.index.position.__getitem__))
