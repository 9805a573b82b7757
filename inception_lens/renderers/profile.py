"""A profile as a table in a terminal: what was measured beside the least that the machine could."""

import textwrap

from inception_lens.analyses.profile import LayerProfile, Profile, Spread
from inception_lens.ops import format_shape
from inception_lens.renderers.escape import printable
from inception_lens.renderers.table import Drawn, draw, fitting, table_width
from inception_lens.tables.units import duration, percent, short, size

FIRST_DROPPED = ("output", "predicted", "spread", "live", "share")
"""What a table goes without, in this order, until it fits its width."""


def profile_table(
    profile: Profile, *, depth: int | None = 1, width: int = 100, color: bool = False, unicode: bool = True
) -> str:
    """Write the table, one line a module of `depth` levels; None gives every layer a line."""
    rows = profile.by_module(depth)
    drawn = fitting(_columns(profile, rows, unicode), FIRST_DROPPED, width)
    lines = draw(drawn, width, color, unicode)
    width = min(width, table_width(drawn))
    notes = [line for note in _notes(profile) for line in textwrap.wrap(note, width)]
    text = "\n".join([*_heading(profile, width), "", *lines, "", *notes]) + "\n"
    return text if unicode else text.replace("µ", "u").replace("±", "+-")


def _columns(profile: Profile, rows: tuple[LayerProfile, ...], unicode: bool) -> list[Drawn]:
    total = Spread.added(layer.forward for layer in profile.layers).median
    columns = [
        Drawn("module", [printable(row.name) for row in rows], "sum of the layers", folds_to=24),
        Drawn("output", [format_shape(row.output_shape[1:]) for row in rows], key="output"),
        _right("forward", [duration(row.forward.median) for row in rows], duration(total)),
        _right("spread", [_spread(row.forward) for row in rows], key="spread"),
        _right("share", [percent(row.forward.median, total) for row in rows], key="share"),
        _right("least", [_least(row) for row in rows], duration(profile.least_seconds)),
        _right("reached", [_reached(row) for row in rows], percent(profile.least_seconds, total)),
        Drawn("bound by", [profile.bound_by(row) for row in rows]),
        _right("alive", [size(row.live_bytes) for row in rows], key="live"),
        _right("predicted", [size(row.predicted_live_bytes) for row in rows], key="predicted"),
    ]
    if profile.backward:
        backward = [row.backward.median if row.backward else 0.0 for row in rows]
        cells = [duration(seconds) if seconds else "-" for seconds in backward]
        columns.insert(4, _right("backward", cells, duration(sum(backward))))
    return columns


def _right(title: str, cells: list[str], total: str = "", key: str = "") -> Drawn:
    return Drawn(title, cells, total, "right", key)


def _spread(times: Spread) -> str:
    """Half of what the slowest measurement is above the fastest, as a share of the median."""
    return f"±{percent((times.slowest - times.fastest) / 2, times.median)}"


def _least(row: LayerProfile) -> str:
    return "?" if row.least_seconds is None else duration(row.least_seconds) if row.least_seconds else "-"


def _reached(row: LayerProfile) -> str:
    return "?" if row.reached is None else percent(row.reached, 1) if row.reached else "-"


def _heading(profile: Profile, width: int) -> list[str]:
    name = printable(f"{profile.name}: {profile.description}" if profile.description else profile.name)
    inputs = ", ".join(f"{printable(name)} {format_shape(shape)} {dtype}" for name, shape, dtype in profile.inputs)
    what = f"{inputs}, {profile.mode}, on {printable(profile.device)}"
    if len(name) + len(what) + 2 <= width:
        return [f"{name}{what:>{width - len(name)}}"]
    return textwrap.wrap(name, width) + textwrap.wrap(what, width)


def _notes(profile: Profile) -> list[str]:
    machine = profile.machine
    whole = f"whole forward pass {duration(profile.forward.median)} {_spread(profile.forward)}"
    if profile.backward:
        whole += f", backward {duration(profile.backward.median)} {_spread(profile.backward)}"
    least = percent(profile.least_seconds, profile.forward.median)
    memory = (
        f"activations alive at most {size(profile.live_bytes)}, predicted {size(profile.predicted_live_bytes)}; with "
        f"what calls make for themselves alone {size(profile.peak_bytes)}"
    )
    if profile.saved_bytes is not None and profile.predicted_saved_bytes is not None:
        memory += f"; kept for backward {size(profile.saved_bytes)}, predicted {size(profile.predicted_saved_bytes)}"
    ceilings = (
        f"ceilings of {printable(machine.title)}: {short(round(machine.flops_per_second))}FLOP/s, "
        f"{size(round(machine.bytes_per_second))}/s ({machine.source}); least = the roofline's time, bound by the "
        "ceiling that makes it; reached = least over measured, above 100 % where a cache is faster than the memory"
    )
    times = (
        f"medians of {profile.repeats} after {profile.warmup} to warm up; spread = half of slowest less fastest; "
        "layers are measured one by one, which costs each a little; MB = 10^6 bytes"
    )
    return [f"{whole}: {least} of the roofline", memory, ceilings, times]
