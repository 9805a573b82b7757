"""`inception-lens bench train`: the speed of the trainer compared with a plain loop."""

from __future__ import annotations

from collections.abc import Sequence

import click

from inception_lens.cli import options
from inception_lens.cli.output import OutputTarget, as_json, emit, output_options
from inception_lens.cli.training import options as training_options
from inception_lens.errors import ConfigError, require


@click.command("train")
@click.argument("model", type=training_options.TrainableType(), required=False)
@click.option("--batch", "batches", metavar="N,...", help="Batch sizes.  [default: 64; on CUDA 128,512,1024,2048]")
@click.option("--ways", metavar="A,B,...", help="Of eager, compiled, graphs.  [default: eager; on CUDA all]")
@click.option(
    "--seconds",
    type=click.FloatRange(0.01),
    default=2.0,
    show_default=True,
    help="Training time of each in each round.",
)
@click.option("--device", metavar="DEVICE", default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16"]), default="auto", show_default=True)
@options.set_option
@output_options()
def train(
    model: str | None,
    batches: str | None,
    ways: str | None,
    seconds: float,
    device: str,
    precision: str,
    settings: tuple[str, ...],
    outputs: Sequence[OutputTarget],
) -> None:
    """Measure images per second of the trainer and of a plain PyTorch loop, next to the bounds of the machine.

    MODEL is by default the network for digits on a CPU, and GoogLeNet with batch norm on CUDA.
    """
    require("torch", extra="train")
    from inception_lens.benchmarks.training import measure
    from inception_lens.benchmarks.training_table import TrainingSpeeds, training_table
    from inception_lens.cli.training.networks import networks_of
    from inception_lens.training.bounds import bounds, machine_of
    from inception_lens.training.learner import autocast_on
    from inception_lens.training.recipe import DIGITS, Recipe
    from inception_lens.training.run.processes import Processes, select_device

    selected = select_device(device, Processes())
    cuda = selected.type == "cuda"
    recipe, classes = (DIGITS, 10) if model is None and not cuda else (Recipe(model="googlenet@torchvision"), 1000)
    engine = recipe.engine.replace(precision=precision)
    network = recipe.network | options.parse_settings(settings)
    recipe = recipe.replace(model=model or recipe.model, network=network, engine=engine)
    networks = networks_of(recipe, classes)
    sizes = _numbers(batches or ("128,512,1024,2048" if cuda else "64"))
    engines = _engines(ways, cuda)
    machine = machine_of(selected, autocast_on(precision, selected))
    limits = bounds(networks.training, machine) if machine else None
    found = TrainingSpeeds.of(networks, limits, measure(networks, recipe, selected, sizes, engines, seconds))
    emit(outputs, lambda: as_json(found), lambda _: training_table(found))


def _engines(text: str | None, cuda: bool) -> list[str]:
    known = ["eager", "compiled", "graphs"] if cuda else ["eager", "compiled"]
    chosen = text.split(",") if text else known if cuda else known[:1]
    if unknown := set(chosen) - set(known):
        raise ConfigError(f"--ways {min(unknown)}: choose from {', '.join(known)} on this device")
    return chosen


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() and 0 < int(part) < 10**6 for part in parts):
        raise ConfigError(f"--batch {text}: give batch sizes, such as 128,512")
    return [int(part) for part in parts]
