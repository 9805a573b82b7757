"""The figures and the HTML page of a finished run."""

from __future__ import annotations

import torch
from msgspec.structs import asdict

from inception_lens.cli.output import write
from inception_lens.renderers.pages.run import run_page
from inception_lens.renderers.plots.confusion import confusion_figure
from inception_lens.renderers.plots.figure import figure_bytes
from inception_lens.renderers.plots.training import training_figure
from inception_lens.tables.units import count, short
from inception_lens.training.bounds import bounds, machine_of
from inception_lens.training.networks import Networks
from inception_lens.training.recipe_file import to_toml
from inception_lens.training.run.folder import RunFolder
from inception_lens.training.run.records import Summary

PAGE = "index.html"


def write_page(folder: RunFolder, networks: Networks, device: torch.device) -> None:
    """Write curves.svg, confusion.svg and index.html into a run folder."""
    summary, epochs, evaluation = folder.summary(), folder.metrics(), folder.evaluation()
    name = f"{summary.model} on {summary.data}"
    curves = training_figure([asdict(epoch) for epoch in epochs], name)
    confusion = confusion_figure(evaluation.confusion, folder.data().classes)
    figures = {
        "Loss, accuracy and learning rate of every epoch": figure_bytes(curves, "svg"),
        "Predicted classes by true class": figure_bytes(confusion, "svg"),
    }
    for file, svg in zip(("curves.svg", "confusion.svg"), figures.values(), strict=True):
        write(svg, str(folder.path / file))
    page = run_page(
        name,
        facts=_facts(summary),
        bounds=_limits(networks, device, summary.precision == "bfloat16", summary.images_per_second),
        figures=figures,
        classes=[(label, _percent(accuracy)) for label, accuracy in summary.per_class.items()],
        epochs=epochs,
        config=to_toml(folder.recipe()),
    )
    write(page, str(folder.path / PAGE))


def _facts(summary: Summary) -> list[tuple[str, str]]:
    rate = summary.images_per_second
    return [
        ("accuracy, top-1", f"{_percent(summary.accuracy)} of {count(summary.test_images)} images"),
        ("accuracy, top-5", _percent(summary.top5)),
        ("best epoch", f"{summary.best_epoch}, with {_percent(summary.best_accuracy)}"),
        ("parameters", count(summary.params)),
        ("MACs of one image", f"{count(summary.macs)} ({short(summary.macs)})"),
        ("training", f"{count(summary.train_images)} images, {summary.epochs} epochs, {summary.steps} steps"),
        ("time", f"{summary.seconds:.1f} s, {summary.cpu_seconds:.1f} s of CPU time"),
        ("speed", f"{rate:,.0f} images/s" if rate else "?"),
        ("device", f"{summary.device}, {summary.precision}, {summary.processes} process(es)"),
        ("SHA-256 of the parameters", summary.parameters_sha256),
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


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
            (
                f"{what} of {machine.title}",
                f"{limit:,.0f} images/s" + (f" (reached: {rate / limit:.2f})" if rate else ""),
            )
            for what, limit in rows
        ),
    ]
