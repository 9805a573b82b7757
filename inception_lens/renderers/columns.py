"""The columns of a summary: each knows its exact value for programs and its short form for people."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.records import Group
from inception_lens.errors import ConfigError, suggest
from inception_lens.ops import format_shape
from inception_lens.renderers.units import count, short, size

UNKNOWN = "?"
NOTHING = "-"


class Column(msgspec.Struct, frozen=True):
    """One column: `value` is exact, None where nobody knows; `show` writes a value for people."""

    key: str
    title: str
    value: Callable[[Group], Any]
    show: Callable[[Any], str] = str
    numeric: bool = True
    sums: bool = False
    """Whether the values of the parts add up to that of the whole."""

    def exact(self, group: Group) -> Any:
        """The cell for programs: None for a sum that leaves out what nobody knows."""
        return None if self._leaves_out(group) else self.value(group)

    def text(self, group: Group) -> str:
        """The cell for people: `-` for nothing, `?` for the unknown, `>=` before a sum that leaves something out."""
        value = self.value(group)
        if self._leaves_out(group):
            return f">= {self.show(value)}" if value else UNKNOWN
        return NOTHING if value in (None, UNSET, 0, "") else self.show(value)

    def _leaves_out(self, group: Group) -> bool:
        if group.exact or self.key not in ("macs", "flops", "backward_macs"):
            return False
        return any(getattr(layer, self.key) is None for layer in group.layers)


def _of_layer(attribute: str) -> Callable[[Group], Any]:
    """The value of a group that is one layer."""
    return lambda group: getattr(group.layers[0], attribute) if len(group.layers) == 1 else None


def _sum(attribute: str) -> Callable[[Group], Any]:
    return lambda group: getattr(group, attribute)


def _joined(sizes: Callable[[Group], Any]) -> Callable[[Group], Any]:
    return lambda group: format_shape(value) if (value := sizes(group)) else None


def _jump(group: Group) -> int | None:
    fields = [layer.field for layer in group.layers if layer.field]
    return max(fields[-1].jump) if fields else None


def _without_batch(shape: str) -> str:
    return shape.partition("x")[2] or shape


COLUMNS: dict[str, Column] = {
    column.key: column
    for column in (
        Column("op", "op", _of_layer("op"), numeric=False),
        Column("inputs", "inputs", lambda group: " ".join(group.layers[0].inputs), numeric=False),
        Column("kernel", "kernel", _joined(_of_layer("kernel")), numeric=False),
        Column("stride", "stride", _joined(_of_layer("stride")), numeric=False),
        Column("output_shape", "output", _joined(_sum("output_shape")), _without_batch, numeric=False),
        Column("params", "params", _sum("params"), count, sums=True),
        Column("params_trainable", "trainable", _sum("params_trainable"), count, sums=True),
        Column("buffers", "buffers", _sum("buffers"), count, sums=True),
        Column("macs", "MACs", _sum("macs"), short, sums=True),
        Column("flops", "FLOPs", _sum("flops"), short, sums=True),
        Column("weight_bytes", "weights", _sum("weight_bytes"), size, sums=True),
        Column("activation_bytes", "activations", _sum("activation_bytes"), size, sums=True),
        Column("live_bytes", "live", _sum("live_bytes"), size),
        Column("receptive_field", "field", _sum("receptive_field")),
        Column("jump", "jump", _jump),
        Column("backward_macs", "backward MACs", _sum("backward_macs"), short, sums=True),
        Column("saved_activation_bytes", "saved", _sum("saved_activation_bytes"), size, sums=True),
    )
}
"""Every column by its key, which is that of the JSON."""

TRAINING = ("backward_macs", "saved_activation_bytes")
"""Columns that only a training analysis has."""


def pick(keys: Sequence[str] | None, default: Sequence[str], analysis: Analysis) -> list[Column]:
    """The columns that `keys` names, or the default ones; those of training only where the analysis is one.

    Raises:
        ConfigError: there is no such column.
    """
    training = analysis.graph.mode == "training"
    if keys is None:
        return [COLUMNS[key] for key in default if training or key not in TRAINING]
    for key in keys:
        if key not in COLUMNS:
            raise ConfigError(f"`{key}` is no column{suggest(key, COLUMNS)}")
        if key in TRAINING and not training:
            raise ConfigError(f"the column `{key}` is there in training mode only: --mode training")
    return [COLUMNS[key] for key in keys]


def sort_key(key: str) -> Callable[[Group], Any]:
    """A key that sorts groups by a column, largest first.

    Raises:
        ConfigError: there is no such column, or it has no order.
    """
    numeric = [column.key for column in COLUMNS.values() if column.numeric]
    if key not in numeric:
        raise ConfigError(f"`{key}` is no column to sort by{suggest(key, numeric)}")
    value = COLUMNS[key].value
    return lambda group: -(value(group) or 0)
