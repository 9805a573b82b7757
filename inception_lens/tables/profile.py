"""The table of `profile`: measured time and memory of each module, and the limits of the machine."""

from __future__ import annotations

from inception_lens.analyses.profile import LayerProfile, Profile, Spread
from inception_lens.ops import format_shape
from inception_lens.tables.table import AtLeast, Cell, Column, Row, Table, sample_shape
from inception_lens.tables.units import duration, percent, short, size

BACKWARD = Column(key="backward_seconds", title="backward", kind="seconds")
COLUMNS = (
    Column(key="output_shape", title="output", kind="sample_shape", priority=5),
    Column(key="forward_seconds", title="forward", kind="seconds"),
    BACKWARD,
    Column(key="spread", title="± spread", kind="share", audience="people", priority=3),
    Column(key="share", title="share", kind="share", audience="people", priority=1),
    Column(key="least_seconds", title="least", kind="seconds"),
    Column(key="reached", title="reached", kind="share", audience="people"),
    Column(key="bound_by", title="bound by"),
    Column(key="live_bytes", title="alive", kind="bytes", priority=2),
    Column(key="predicted_live_bytes", title="predicted", kind="bytes", priority=4),
)


def profile_table(profile: Profile, *, depth: int | None = 1) -> Table:
    """A row for each module of `depth` levels; None makes a row for each layer."""
    shown = [i for i, column in enumerate(COLUMNS) if column is not BACKWARD or profile.backward]
    whole = Spread.added(layer.forward for layer in profile.layers).median
    backward = sum([layer.backward.median for layer in profile.layers if layer.backward])
    complete = None not in [layer.least_seconds for layer in profile.layers]
    least: Cell = profile.least_seconds if complete else AtLeast(profile.least_seconds)
    reached = profile.least_seconds / whole
    total: tuple[Cell, ...] = (
        "", whole, backward, "", "", least, reached if complete else AtLeast(reached), "", "", ""
    )  # fmt: skip
    rows = [(row.name, _cells(profile, row, whole)) for row in profile.by_module(depth)]
    inputs = ", ".join([f"{name} {format_shape(shape)} {dtype}" for name, shape, dtype in profile.inputs])
    return Table(
        title=f"{profile.name}: {profile.description}" if profile.description else profile.name,
        subtitle=f"{inputs}, {profile.mode}, on {profile.device}",
        label=Column(key="name", title="module", min_width=24),
        columns=tuple([COLUMNS[i] for i in shown]),
        rows=tuple([Row(name, tuple([cells[i] for i in shown])) for name, cells in rows]),
        totals=(Row("sum of the layers", tuple([total[i] for i in shown])),),
        notes=_notes(profile),
    )


def _cells(profile: Profile, row: LayerProfile, whole: float) -> tuple[Cell, ...]:
    return (
        sample_shape(row.output_shape, row.has_batch),
        row.forward.median,
        row.backward.median if row.backward else 0.0,
        _spread(row.forward),
        row.forward.median / whole,
        row.least_seconds,
        row.reached,
        profile.bound_by(row),
        row.live_bytes,
        row.predicted_live_bytes,
    )


def _spread(times: Spread) -> float:
    """Half of the difference between the slowest and the fastest, as a share of the median."""
    return (times.slowest - times.fastest) / 2 / times.median


def _notes(profile: Profile) -> tuple[str, ...]:
    machine = profile.machine
    whole = f"complete forward pass {duration(profile.forward.median)} ±{percent(_spread(profile.forward), 1)}"
    if profile.backward:
        whole += f", backward {duration(profile.backward.median)} ±{percent(_spread(profile.backward), 1)}"
    memory = (
        f"peak of live activations {size(profile.live_bytes)}, predicted {size(profile.predicted_live_bytes)}; with "
        f"the temporary memory of calls {size(profile.peak_bytes)}"
    )
    if profile.saved_bytes is not None and profile.predicted_saved_bytes is not None:
        memory += f"; saved for backward {size(profile.saved_bytes)}, predicted {size(profile.predicted_saved_bytes)}"
    ceilings = (
        f"ceilings of {machine.title}: {short(round(machine.flops_per_second))}FLOP/s, "
        f"{size(round(machine.bytes_per_second))}/s ({machine.source}); least = time of the roofline, and the ceiling "
        "that it is bound by; reached = least over measured, above 100 % where a cache is faster than the memory"
    )
    times = (
        f"medians of {profile.repeats} passes after {profile.warmup} to warm up; spread = half of slowest minus "
        "fastest; layers are measured one by one, which adds a little to each; MB = 10^6 bytes"
    )
    share = percent(profile.least_seconds, profile.forward.median)
    return (f"{whole}: {share} of the roofline", memory, ceilings, times)
