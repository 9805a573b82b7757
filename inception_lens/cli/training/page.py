"""The figures and the HTML page of a finished run."""

from __future__ import annotations

import torch
from msgspec.structs import asdict

from inception_lens.cli.output import write
from inception_lens.renderers.pages.run import run_page
from inception_lens.renderers.plots.confusion import confusion_figure
from inception_lens.renderers.plots.figure import figure_bytes
from inception_lens.renderers.plots.training import training_figure
from inception_lens.training.bounds import bounds, machine_of
from inception_lens.training.networks import Networks
from inception_lens.training.recipe_file import to_toml
from inception_lens.training.run.folder import RunFolder

PAGE = "index.html"


def write_page(folder: RunFolder, networks: Networks, device: torch.device) -> None:
    """Write curves.svg, confusion.svg and index.html into a run folder."""
    summary, epochs, evaluation = folder.summary(), [*map(asdict, folder.metrics())], folder.evaluation()
    name = f"{summary.model} on {summary.data}"
    figures = {
        "Loss, accuracy and learning rate of every epoch": figure_bytes(training_figure(epochs, name), "svg"),
        "Predicted classes by true class": figure_bytes(
            confusion_figure(evaluation.confusion, folder.data().classes), "svg"
        ),
    }
    for file, svg in zip(("curves.svg", "confusion.svg"), figures.values(), strict=True):
        write(svg, str(folder.path / file))
    limits = _limits(networks, device, summary.precision == "bfloat16", summary.images_per_second)
    write(run_page(asdict(summary), epochs, figures, limits, to_toml(folder.recipe())), str(folder.path / PAGE))


def _limits(networks: Networks, device: torch.device, bfloat16: bool, rate: float | None) -> list[tuple[str, str]]:
    measured = [("measured", f"{rate:,.0f} images/s" if rate else "?")]
    machine = machine_of(device, bfloat16)
    if machine is None:
        return [*measured, ("bounds", "? (the peak speed of this GPU in this precision is unknown)")]
    found = bounds(networks.training, machine)
    rows = (
        ("compute bound", found.compute),
        ("memory bound, unfused,", found.memory),
        ("memory bound, fused,", found.memory_fused),
    )
    return [
        *measured,
        *(
            (f"{what} of {machine.title}", f"{limit:,.0f} images/s" + (f", {rate / limit:.2f} of it" if rate else ""))
            for what, limit in rows
        ),
    ]
