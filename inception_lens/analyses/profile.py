"""The measured time and memory of a network, layer by layer, next to the roofline of the machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from statistics import median
from typing import Any, TypeVar

import msgspec

from inception_lens.analyses.machines import Machine
from inception_lens.analyses.modules import module_of
from inception_lens.analyses.records import JsonResult
from inception_lens.graph import Mode
from inception_lens.ops import Category, Role, Shape, main_category

Number = TypeVar("Number", int, float)

SCHEMA = "inception-lens/profile/1"


class Spread(msgspec.Struct, frozen=True):
    """Several measurements of one time, in seconds."""

    median: float
    fastest: float
    slowest: float
    samples: tuple[float, ...]
    """In the order of the passes."""

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """The spread of these measurements."""
        return cls(median(seconds), min(seconds), max(seconds), tuple(seconds))

    @classmethod
    def added(cls, spreads: Iterable[Spread]) -> Spread:
        """The spread of several times together, pass by pass."""
        return cls.of([sum(samples) for samples in zip(*(spread.samples for spread in spreads), strict=True)])


class LayerProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One call, or several together."""

    name: str
    op: str
    category: Category | None
    role: Role
    """What a call is to its layer; `work` for several calls together."""
    output_shape: Shape
    has_batch: bool = True
    """Whether the output is computed from an input of the network: otherwise its first axis is not the batch."""
    forward: Spread
    backward: Spread | None
    """Of the call by itself, on what it read in a forward pass; None in inference mode, or where nothing is trained."""
    least_seconds: float | None
    """The roofline of the machine for the forward pass; None where nobody knows the arithmetic."""
    flops: int | None
    moved_bytes: int
    """What the roofline lets it read and write."""
    live_bytes: int
    """Measured: the tensors alive when it was done, parameters and what autograd keeps aside."""
    predicted_live_bytes: int
    """The same by liveness, as `summary` counts it."""

    @property
    def reached(self) -> float | None:
        """How much of the roofline it reached: 1 is all that the machine can."""
        return None if self.least_seconds is None else self.least_seconds / self.forward.median


class Profile(JsonResult, frozen=True, dict=True, kw_only=True):
    """A network that ran on a device: every layer, and the whole, which is measured without anything in between."""

    name: str
    description: str
    inputs: tuple[tuple[str, Shape, str], ...]
    mode: Mode
    device: str
    machine: Machine
    """Its ceilings, measured just before: dense matrix products, and copies of a large tensor."""
    versions: dict[str, str]
    warmup: int
    repeats: int
    layers: tuple[LayerProfile, ...]
    forward: Spread
    backward: Spread | None
    least_seconds: float
    live_bytes: int
    """Measured: the most of the layers'."""
    predicted_live_bytes: int
    """The peak of activations as `summary` counts it."""
    peak_bytes: int
    """Measured: with what calls make for themselves alone, such as the indices of a max pool."""
    saved_bytes: int | None
    """Measured: what autograd kept for the backward pass, parameters aside; None in inference mode."""
    predicted_saved_bytes: int | None
    """As `summary` counts them; None in inference mode, and where it is unknown what a call keeps."""

    @cached_property
    def measured(self) -> dict[str, float]:
        """Median seconds of the forward pass by layer, for figures and heat maps."""
        return {layer.name: layer.forward.median for layer in self.layers}

    def by_module(self, depth: int | None = 1) -> tuple[LayerProfile, ...]:
        """Sums over the layers whose names agree in the first `depth` parts; None leaves every layer by itself."""
        if depth is None:
            return self.layers
        groups: dict[str, list[LayerProfile]] = {}
        for layer in self.layers:
            groups.setdefault(module_of(layer.name, depth), []).append(layer)
        return tuple(_summed(name, members) for name, members in groups.items())

    def bound_by(self, layer: LayerProfile) -> str:
        """The ceiling of the roofline that the layer reaches: `compute` or `memory`; `-` without a known time."""
        if layer.flops is None or not layer.least_seconds:
            return "-"
        compute = layer.flops / self.machine.flops_per_second
        return "compute" if compute >= layer.moved_bytes / self.machine.bytes_per_second else "memory"

    def to_builtins(self) -> dict[str, Any]:
        """The keys of `profile --format json`: seconds, and exact numbers of bytes."""
        record: dict[str, Any] = {"schema": SCHEMA, **msgspec.to_builtins(self)}
        for row, layer in zip(record["layers"], self.layers, strict=True):
            row["bound_by"] = self.bound_by(layer)
        return record


def _summed(name: str, members: list[LayerProfile]) -> LayerProfile:
    if len(members) == 1:
        return msgspec.structs.replace(members[0], name=name)
    backward = [m.backward for m in members if m.backward]
    return LayerProfile(
        name=name,
        op="",
        category=main_category([(m.role, m.category) for m in members if m.category]),
        role="work",
        output_shape=members[-1].output_shape,
        has_batch=members[-1].has_batch,
        forward=Spread.added(m.forward for m in members),
        backward=Spread.added(backward) if backward else None,
        least_seconds=_sum(m.least_seconds for m in members),
        flops=_sum(m.flops for m in members),
        moved_bytes=sum(m.moved_bytes for m in members),
        live_bytes=max(m.live_bytes for m in members),
        predicted_live_bytes=max(m.predicted_live_bytes for m in members),
    )


def _sum(values: Iterable[Number | None]) -> Number | int | None:
    """The sum, or None where one of them is unknown."""
    terms = list(values)
    known = [term for term in terms if term is not None]
    return sum(known) if len(known) == len(terms) else None
