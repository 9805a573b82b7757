"""How a diagram looks, as keyword arguments that a type checker knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from inception_lens.renderers.diagrams.dot import DiagramStyle, FlowDirection
    from inception_lens.renderers.diagrams.heat import Heat
    from inception_lens.renderers.diagrams.levels import DiagramLevel


class Look(TypedDict, total=False):
    """The options of `renderers.diagrams.diagram.diagram`, which documents them."""

    level: DiagramLevel | None
    module: str
    style: DiagramStyle
    direction: FlowDirection
    heat: Heat | Mapping[str, float | None] | None
    heat_title: str
    fold: bool
    dark: bool
    title: bool
    id_prefix: str
