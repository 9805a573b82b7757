"""A training run as one page that asks nothing of the network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from inception_lens.renderers.escape import printable
from inception_lens.renderers.pages.templates import asset, template
from inception_lens.tables.units import count, short

Facts = Sequence[tuple[str, str]]


def run_page(
    summary: Mapping[str, Any],
    epochs: Sequence[Mapping[str, Any]],
    figures: Mapping[str, bytes],
    bounds: Facts,
    config: str,
) -> str:
    """The page.

    Args:
        summary: of the run, as `summary.json` has it.
        epochs: a record per epoch, as `metrics.jsonl` has them.
        figures: drawings as SVG, by their captions.
        bounds: what limits the speed, and the images per second that it allows.
        config: the recipe, as TOML.
    """
    return template("run.html").render(
        name=printable(f"{summary['model']} on {summary['data']}"),
        style=asset("style.css"),
        facts=[(label, printable(value)) for label, value in _facts(summary)],
        bounds=[(printable(label), printable(value)) for label, value in bounds],
        figures=[(caption, b64encode(svg).decode()) for caption, svg in figures.items()],
        classes=[(printable(name), _percent(value)) for name, value in summary["per_class"].items()],
        epochs=epochs,
        config=config,
    )


def _facts(summary: Mapping[str, Any]) -> Facts:
    rate = summary["images_per_second"]
    return [
        ("accuracy, top-1", f"{_percent(summary['accuracy'])} of {count(summary['test_images'])} images"),
        ("accuracy, top-5", _percent(summary["top5"])),
        ("best epoch", f"{summary['best_epoch']}, with {_percent(summary['best_accuracy'])}"),
        ("parameters", count(summary["params"])),
        ("MACs of one image", f"{count(summary['macs'])} ({short(summary['macs'])})"),
        ("training", f"{count(summary['train_images'])} images, {summary['epochs']} epochs, {summary['steps']} steps"),
        ("time", f"{summary['seconds']:.1f} s, {summary['cpu_seconds']:.1f} s of processor time"),
        ("speed", f"{rate:,.0f} images/s" if rate else "?"),
        ("device", f"{summary['device']}, {summary['precision']}, {summary['processes']} process(es)"),
        ("parameters' SHA-256", str(summary["parameters_sha256"])),
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"
