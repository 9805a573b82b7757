"""Layers grouped into modules by the path in their names; each module is the exact sum of its layers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from inception_lens.analyses.records import Group, Layer
from inception_lens.errors import GraphError
from inception_lens.ops import is_minor

EVERY_LEVEL = 1_000_000
"""A depth beyond that of any name."""


class TreeRow(msgspec.Struct, frozen=True):
    """One line of a tree of modules."""

    level: int
    """Nesting depth; 0 at the top."""
    label: str
    """The part of the name that is not in the name of the enclosing line."""
    group: Group
    """The module with its sums."""

    @property
    def description(self) -> str:
        """Labels of the module's operations; empty where there are more than three."""
        layers = self.group.layers
        main = [layer for layer in layers if not is_minor(layer.role, layer.op)] or layers
        labels = [layer.label.removeprefix(f"{self.label} ") for layer in main if layer.label.lower() != self.label]
        return ", ".join(labels) if len(labels) <= 3 else ""


def module_of(name: str, depth: int = 1) -> str:
    """The module that a layer belongs to: the first `depth` parts of its name."""
    return name.partition("/")[0] if depth == 1 else "/".join(name.split("/", depth)[:depth])


def grouped(layers: Iterable[Layer], depth: int) -> tuple[Group, ...]:
    """Group layers by the first `depth` parts of their names; see `Analysis.by_module`."""
    _check(depth)
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(module_of(layer.name, depth), []).append(layer)
    return tuple([summed(name, members) for name, members in groups.items()])


def tree(layers: Iterable[Layer], depth: int | None, sort: Callable[[Group], Any] | None) -> tuple[TreeRow, ...]:
    """The modules as the lines of a tree; see `Analysis.tree`."""
    _check(depth)
    return tuple(_rows(layers, depth or EVERY_LEVEL, sort))


def _check(depth: int | None) -> None:
    if depth is not None and depth < 1:
        raise GraphError(f"a depth of {depth}: modules have a depth of at least 1")


class _Member(NamedTuple):
    """A layer with the parts of its name."""

    parts: list[str]
    layer: Layer


class _Module(NamedTuple):
    """The members of a module, with the number of name parts that they have in common, or at which the tree ends."""

    group: Group
    members: Sequence[_Member]
    part: int


def _rows(layers: Iterable[Layer], depth: int, sort: Callable[[Group], Any] | None) -> Iterator[TreeRow]:
    """Every module before its parts; a stack instead of recursion, since names can have thousands of parts."""
    members = [_Member(layer.name.split("/"), layer) for layer in layers]
    stack = [("", _modules(members, 1, depth, sort))]
    while stack:
        above, modules = stack[-1]
        module = next(modules, None)
        if module is None:
            stack.pop()
            continue
        name = module.group.name
        label = name.removeprefix(f"{above}/") if name != above else module.group.layers[0].op
        yield TreeRow(len(stack) - 1, label, module.group)
        if module.part < depth and len(module.members) > 1:
            stack.append((name, _modules(module.members, module.part + 1, depth, sort)))


def _modules(
    members: Sequence[_Member], part: int, depth: int, sort: Callable[[Group], Any] | None
) -> Iterator[_Module]:
    """The modules of members whose names agree in all parts before number `part`.

    A module with a single part is that part, and so on down to `depth`.
    """
    found: dict[str, list[_Member]] = {}
    for member in members:
        # A name without this part is that of a layer next to the modules: no part is empty and followed by a slash.
        found.setdefault(member.parts[part - 1] if len(member.parts) >= part else "/", []).append(member)
    modules = []
    for inside in found.values():
        common = max(part, min(depth, _common_parts([member.parts for member in inside])))
        group = summed("/".join(inside[0].parts[:common]), [member.layer for member in inside])
        modules.append(_Module(group, inside, common))
    return iter(sorted(modules, key=lambda module: sort(module.group)) if sort else modules)


def _common_parts(names: Sequence[list[str]]) -> int:
    """How many parts all names begin with: those that the first and the last of them in order have in common."""
    first, last = min(names), max(names)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def summed(name: str, layers: Iterable[Layer]) -> Group:
    """Sum `layers` into the group called `name`."""
    layers = tuple(layers)
    last = layers[-1]
    training = last.backward_macs is not UNSET
    nonzero = [layer.params_nonzero for layer in layers if layer.params_nonzero is not UNSET]
    return Group(
        name=name,
        layers=layers,
        params=sum([layer.params or 0 for layer in layers]),
        params_trainable=sum([layer.params_trainable or 0 for layer in layers]),
        buffers=sum([layer.buffers for layer in layers]),
        macs=sum([layer.macs or 0 for layer in layers]),
        flops=sum([layer.flops or 0 for layer in layers]),
        weight_bytes=sum([layer.weight_bytes or 0 for layer in layers]),
        activation_bytes=sum([layer.activation_bytes or 0 for layer in layers]),
        live_bytes=max([layer.live_bytes or 0 for layer in layers]),
        output_shape=last.output_shape,
        receptive_field=max([layer.receptive_field or 0 for layer in layers]) or None,
        exact=None not in [layer.flops for layer in layers],
        params_exact=all(layer.params_exact for layer in layers),
        backward_macs=sum([layer.backward_macs or 0 for layer in layers]) if training else UNSET,
        saved_activation_bytes=sum([layer.saved_activation_bytes or 0 for layer in layers]) if training else UNSET,
        params_nonzero=sum(nonzero) if nonzero else UNSET,
    )
