"""The content of a diagram at each level of detail: a whole network in modules or in layers, or one module."""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from inception_lens.errors import ConfigError, suggest
from inception_lens.graph import Graph, Node
from inception_lens.ops import main_category
from inception_lens.renderers.diagrams import labels
from inception_lens.renderers.diagrams.connections import aligned, connected
from inception_lens.renderers.diagrams.content import Box, DiagramContent
from inception_lens.renderers.diagrams.dot import DiagramStyle
from inception_lens.renderers.diagrams.folding import folded
from inception_lens.renderers.diagrams.grouping import NodeGroup, layers, main_node, modules
from inception_lens.renderers.theme import BoxKind
from inception_lens.rewrites.reductions import naive_modules, reductions

DiagramLevel = Literal["network", "module", "layer"]
"""A box for each module of the network; one module with a box for each of its layers; or a box for each layer."""

MODULE_WIDTH = 1.5
"""The minimum width, in inches, of a box that represents a module."""
MAX_LAYERS = 1_200
"""Boxes of a diagram of layers; more are illegible."""
MAX_BOXES = 12_000
"""Boxes of any diagram; dot takes minutes for more."""


def network_content(graph: Graph, *, fold: bool = False) -> DiagramContent:
    """A box for each module, and for each layer outside every module, with shapes on the arrows.

    Raises:
        ConfigError: the diagram would have more than `MAX_BOXES` boxes.
    """
    groups = folded(graph, modules(graph)) if fold else modules(graph)
    if len(groups) > MAX_BOXES:
        raise ConfigError(_too_many(graph, "network", len(groups), MAX_BOXES, fold, groups))
    panels = {path: k for k, path in enumerate(_panel_paths(groups))}
    boxes = [
        Box(
            (_name(group, group.parent if group.parent in panels else ""), labels.module(graph, group)),
            _kind([graph.nodes[i] for i in group.first_nodes]),
            _node_names(graph, group.nodes),
            panels.get(group.parent),
        )
        for group in groups
    ]
    box_of = {i: k for k, group in enumerate(groups) for i in group.nodes}
    content = connected(graph, boxes, box_of, panels=tuple(panels))
    return msgspec.structs.replace(content, width=MODULE_WIDTH)


def layer_content(graph: Graph, *, style: DiagramStyle = "plain", fold: bool = False) -> DiagramContent:
    """A box for each layer, and a panel for each module.

    Raises:
        ConfigError: the diagram would have more than `MAX_LAYERS` boxes; the message names options that have fewer.
    """
    groups = folded(graph, modules(graph)) if fold else modules(graph)
    # A node of a repeated module is represented by the equal node of the first repeat.
    represented_by = {
        i: group.first_nodes[k % len(group.first_nodes)] for group in groups for k, i in enumerate(group.nodes)
    }
    module_of = {i: k for k, group in enumerate(groups) for i in group.nodes}
    all_layers = layers(graph, module_of)
    drawn = [layer for layer in all_layers if represented_by[layer.nodes[0]] == layer.nodes[0]]
    if len(drawn) > MAX_LAYERS:
        raise ConfigError(_too_many(graph, "layer", len(drawn), MAX_LAYERS, fold, groups))
    panels = [
        group for group in groups if group.repeats > 1 or _kind([graph.nodes[i] for i in group.first_nodes]) == "module"
    ]
    panel_of = {i: k for k, group in enumerate(panels) for i in group.first_nodes}
    box_of = {i: k for k, layer in enumerate(drawn) for i in layer.nodes}
    repeated = [layer for layer in all_layers if layer.nodes[0] not in box_of]
    box_of |= {i: box_of[represented_by[layer.nodes[0]]] for layer in repeated for i in layer.nodes}
    nodes: list[list[int]] = [[] for _ in drawn]
    for i, k in sorted(box_of.items()):
        nodes[k].append(i)
    boxes = []
    for k, layer in enumerate(drawn):
        panel = panel_of.get(layer.nodes[0])
        module = "" if panel is None else panels[panel].name
        box = _layer_box(graph, layer, module, style, labels.paper_layer)
        boxes.append(msgspec.structs.replace(box, nodes=_node_names(graph, nodes[k]), panel=panel))
    repeats = frozenset(i for i, first in represented_by.items() if first != i)
    titles = [_with_repeats(group.name, group) for group in panels]
    content = connected(graph, boxes, box_of, panels=titles, shapes="none", skip=repeats)
    inside: list[list[int]] = [[] for _ in panels]
    for k, box in enumerate(content.boxes):
        if box.panel is not None:
            inside[box.panel].append(k)
    return aligned(content, inside)


def module_content(graph: Graph, name: str, *, style: DiagramStyle = "plain") -> DiagramContent:
    """A box for each layer of one module, as in the paper's Figure 2.

    Raises:
        ConfigError: the graph has no module `name`, or the module has more than `MAX_LAYERS` layers.
    """
    inside = frozenset(i for i, n in enumerate(graph.nodes) if n.name == name or n.name.startswith(f"{name}/"))
    if not inside:
        paths = {n.name[:at] for n in graph.nodes for at, char in enumerate(n.name) if char == "/"}
        raise ConfigError(f"`{name}` is not a module of `{graph.name}`{suggest(name, sorted(paths))}")
    drawn = [layer for layer in layers(graph, dict.fromkeys(inside, 1)) if layer.nodes[0] in inside]
    drawn = [msgspec.structs.replace(layer, nodes=tuple([i for i in layer.nodes if i in inside])) for layer in drawn]
    if len(drawn) > MAX_LAYERS:
        groups = [group for group in modules(graph) if group.nodes[0] in inside]
        raise ConfigError(_too_many(graph, "module", len(drawn), MAX_LAYERS, False, groups))
    previous = "Previous layer" if style == "paper" else ""
    return layers_content(graph, drawn, name, reduction_names(graph), style=style, previous=previous)


def reduction_names(graph: Graph) -> frozenset[str]:
    """The names of the convolutions that reduce the input of another one, or that project a pool."""
    return frozenset([site.name for plan in (reductions(graph), naive_modules(graph)) for site in plan.sites])


def layers_content(
    graph: Graph,
    drawn: Sequence[NodeGroup],
    module: str,
    reduced: frozenset[str],
    *,
    style: DiagramStyle = "plain",
    previous: str = "",
) -> DiagramContent:
    """A box for each of some layers of the module.

    `reduced` are the graph's `reduction_names`; `previous` names everything that the layers read from outside.
    """
    boxes = []
    for layer in drawn:
        box = _layer_box(graph, layer, module, style, labels.paper_module_layer)
        is_reduction = graph.nodes[main_node(graph, layer.nodes)].name in reduced
        boxes.append(msgspec.structs.replace(box, kind="reduction") if is_reduction else box)
    box_of = {i: k for k, layer in enumerate(drawn) for i in layer.nodes}
    content = connected(graph, boxes, box_of, shapes="none" if previous else "ends", previous=previous)
    return aligned(content, [[k for k, box in enumerate(content.boxes) if box.kind != "end"]])


def _layer_box(
    graph: Graph, layer: NodeGroup, module: str, style: DiagramStyle, paper_text: Callable[[Graph, Node], str]
) -> Box:
    main = graph.nodes[main_node(graph, layer.nodes)]
    if style == "paper":
        text: tuple[str, ...] = (paper_text(graph, main),)
    else:
        name, operation = _relative(main.name, module), labels.operation(graph, main)
        text = (name, operation) if name != operation else (name,)
    return Box(text, main.op.category, _node_names(graph, layer.nodes))


def _panel_paths(groups: Sequence[NodeGroup]) -> list[str]:
    """The opened paths whose groups are consecutive; a panel around others would cross the whole page."""
    positions: dict[str, list[int]] = {}
    for k, group in enumerate(groups):
        positions.setdefault(group.parent, []).append(k)
    return [path for path, found in positions.items() if path and 1 < len(found) == found[-1] - found[0] + 1]


def _node_names(graph: Graph, nodes: Sequence[int]) -> tuple[str, ...]:
    return tuple([graph.nodes[i].name for i in nodes])


def _kind(nodes: Sequence[Node]) -> BoxKind:
    return main_category([(node.role, node.op.category) for node in nodes]) or "module"


def _name(group: NodeGroup, parent: str) -> str:
    name = _relative(group.name, parent)
    if group.repeats == 1:
        return name
    return _with_repeats(f"{name} to {_relative(group.last_name, group.name.rpartition('/')[0])}", group)


def _with_repeats(name: str, group: NodeGroup) -> str:
    return f"{name}  x {group.repeats}" if group.repeats > 1 else name


def _relative(name: str, module: str) -> str:
    return name.removeprefix(f"{module}/") if module else name


def _too_many(graph: Graph, level: str, boxes: int, limit: int, fold: bool, groups: Sequence[NodeGroup]) -> str:
    problem = f"level {level} of `{graph.name}` would have {boxes:,} boxes, more than the limit of {limit:,}: "
    remedies = []
    if level != "network" and len(groups) <= MAX_BOXES:
        remedies.append(f"--level network draws {len(groups):,}")
    if not fold and level != "module":
        remedies.append("--fold draws consecutive equal modules once")
    largest = [group.name for group in groups if len(group.first_nodes) > 3][:1]
    if largest:
        remedies.append(f"--module {largest[0]} draws one module")
    return problem + ("; ".join(remedies) or "it cannot be drawn")
