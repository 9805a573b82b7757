"""The result of `bench train` and its table: the trainer next to a plain loop and the bounds of the machine."""

from __future__ import annotations

import msgspec

from inception_lens.benchmarks.training import MIN_RATIO, Speed
from inception_lens.tables.table import Cell, Column, Row, Table
from inception_lens.tables.units import count
from inception_lens.training.bounds import Bounds
from inception_lens.training.networks import Networks

COLUMNS = (
    Column(key="batch", title="batch", kind="count"),
    Column(key="images_per_second", title="images/s", kind="number"),
    Column(key="ratio", title="of plain", kind="ratio"),
    Column(key="of_compute", title="of compute", kind="ratio"),
    Column(key="of_memory", title="of memory", kind="ratio"),
)


class TrainingSpeeds(msgspec.Struct, frozen=True):
    """The speeds of one network on one machine."""

    network: str
    """Name of the network."""
    params: int
    """Its learned elements."""
    macs: int
    """Multiply-accumulates of a forward pass."""
    machine: str | None
    """Whose bounds are known; None for a GPU of unknown peak speed in this precision."""
    compute: float | None
    """Images per second at the peak arithmetic; None without a machine."""
    memory: float | None
    """Images per second if every operation moves its tensors; None without a machine."""
    memory_fused: float | None
    """The same with all operations fused into convolutions, linear layers and pools; None without a machine."""
    speeds: tuple[Speed, ...]
    """Of each engine at each batch size."""

    @classmethod
    def of(cls, networks: Networks, limits: Bounds | None, speeds: list[Speed]) -> TrainingSpeeds:
        """The record of a measurement."""
        return cls(
            network=networks.inference.name,
            params=networks.params,
            macs=networks.macs,
            machine=limits and limits.machine.title,
            compute=limits and limits.compute,
            memory=limits and limits.memory,
            memory_fused=limits and limits.memory_fused,
            speeds=tuple(speeds),
        )


def training_table(found: TrainingSpeeds) -> Table:
    """A row for each engine and batch size."""
    machine = found.machine or "a GPU of unknown peak speed in this precision"
    notes = [f"target: the eager trainer reaches {MIN_RATIO} of the plain loop"]
    if found.compute and found.memory and found.memory_fused:
        bounds = f"compute {found.compute:,.0f}, memory unfused {found.memory:,.0f}, fused {found.memory_fused:,.0f}"
        notes.insert(0, f"bounds in images/s: {bounds}")
    return Table(
        title=f"training of {found.network}: {count(found.params)} parameters, {count(found.macs)} MACs",
        subtitle=machine,
        label=Column(key="engine", title="way"),
        columns=COLUMNS,
        rows=tuple([Row(speed.engine, _cells(found, speed)) for speed in found.speeds]),
        notes=tuple(notes),
    )


def _cells(found: TrainingSpeeds, speed: Speed) -> tuple[Cell, ...]:
    rate = speed.images_per_second
    shares = [rate / bound if bound else None for bound in (found.compute, found.memory)]
    return (speed.batch, rate, speed.ratio, *shares)
