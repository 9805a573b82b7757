"""The figures and the page at the end of a run."""

from __future__ import annotations

import torch
from msgspec.structs import asdict

from inception_lens.cli.output import write
from inception_lens.renderers.pages.run import run_page
from inception_lens.renderers.plots.confusion import confusion_figure
from inception_lens.renderers.plots.figure import drawn
from inception_lens.renderers.plots.training import training_figure
from inception_lens.training.bounds import bounds, machine_of
from inception_lens.training.networks import Networks
from inception_lens.training.recipe_file import to_toml
from inception_lens.training.run.folder import RunFolder

PAGE = "index.html"


def write_page(folder: RunFolder, networks: Networks, device: torch.device) -> None:
    """Write curves.svg, confusion.svg and index.html into a run's folder."""
    summary, epochs, evaluation = folder.finished(), [*map(asdict, folder.metrics())], folder.evaluation()
    name = f"{summary.model} on {summary.data}"
    figures = {
        "Loss, accuracy and learning rate of every epoch": drawn(training_figure(epochs, name), "svg"),
        "Which class is taken for which": drawn(confusion_figure(evaluation.confusion, folder.data().classes), "svg"),
    }
    for file, svg in zip(("curves.svg", "confusion.svg"), figures.values(), strict=True):
        write(svg, str(folder.path / file))
    limits = _limits(networks, device, summary.precision == "bfloat16", summary.images_per_second)
    write(run_page(asdict(summary), epochs, figures, limits, to_toml(folder.recipe())), str(folder.path / PAGE))


def _limits(networks: Networks, device: torch.device, bfloat16: bool, rate: float | None) -> list[tuple[str, str]]:
    measured = [("measured", f"{rate:,.0f} images/s" if rate else "?")]
    on = machine_of(device, bfloat16)
    if on is None:
        return [*measured, ("bounds", "? (this GPU is not in the table of machines)")]
    found = bounds(networks.training, on)
    rows = (
        ("compute bound", found.compute),
        ("memory bound, unfused,", found.memory),
        ("memory bound, fused,", found.memory_fused),
    )
    return [
        *measured,
        *(
            (f"{what} of {on.title}", f"{limit:,.0f} images/s" + (f", {rate / limit:.2f} of it" if rate else ""))
            for what, limit in rows
        ),
    ]
