"""Arguments and options that several commands share, and how their text is read."""

import functools
import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypedDict, TypeVar, cast

import click

from inception_lens.analyses import machines
from inception_lens.errors import ConfigError, suggest
from inception_lens.graph import Inputs, Mode
from inception_lens.lens import runs_code
from inception_lens.ops import BYTES_PER_ELEMENT
from inception_lens.renderers.escape import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., object])


MAX_BATCH = 1_000_000


class ModelType(click.ParamType[str]):
    """A name of the catalogue, a file or a PyTorch callable; a shell completes names and files."""

    name = "model"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if runs_code(value):
            click.echo(f"runs the code of {printable(value.rpartition(':')[0] or value)}", err=True)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list["CompletionItem"]:
        from click.shell_completion import CompletionItem

        from inception_lens.architectures.catalogue import entries

        found = [
            CompletionItem(entry.name, help=entry.source) for entry in entries() if entry.name.startswith(incomplete)
        ]
        return found or [CompletionItem(incomplete, type="file")]  # a shell completes one or the other


def model_argument(default: str | None = None) -> Callable[[Command], Command]:
    """The argument MODEL."""
    if default is None:
        return click.argument("model", type=ModelType())
    return click.argument("model", type=ModelType(), default=default)


set_option = click.option(
    "--set",
    "--arg",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change one key of the network, such as classes=10, norm=batch or inception_3a/5x5_reduce=24, or set an "
    "argument of a callable or of the forward pass, such as depth=50. Repeatable.",
)

weights_option = click.option(
    "--weights",
    "weights_file",
    metavar="FILE",
    help="A state_dict for the module of a PyTorch callable that decides by values: a .pt, .pth or .safetensors.",
)


class NetworkOptions(TypedDict):
    """How the options describe the network of a MODEL: keyword arguments of the functions of `lens`."""

    inputs: Inputs | None
    batch: int | None
    dtype: str | None
    mode: Mode
    overrides: dict[str, str]
    weights: str | None


DEFAULTS: NetworkOptions = {
    "inputs": None,
    "batch": None,
    "dtype": None,
    "mode": "inference",
    "overrides": {},
    "weights": None,
}
"""The network as it is."""

NETWORK_OPTIONS = {
    "input": click.option(
        "--input",
        "input_",
        metavar="[NAME=]SHAPE[:DTYPE]",
        multiple=True,
        help="Shape of the input: 1x3x224x224; 3x224x224 is one image, 224 a square colour image. With several inputs "
        "each has its NAME, and batch.x is x in a dictionary batch; sr=16000 is the value of a scalar of an "
        "ONNX model. Repeatable.",
    ),
    "batch": click.option(
        "--batch",
        type=click.IntRange(1, MAX_BATCH),
        metavar="N",
        help="Samples at once, the first axis of every input.",
    ),
    "dtype": click.option(
        "--dtype", metavar="TYPE", help="Type of parameters and floating-point inputs: float16, bfloat16, ..."
    ),
}


def network_options(mode: str, *, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """The options that describe a network, passed to the command as one `network`.

    Args:
        mode: help text of --mode, which names what training mode changes for the command.
        without: names of options that the command does not have.
    """
    added = {
        **NETWORK_OPTIONS,
        "mode": click.option(
            "--mode", type=click.Choice(["inference", "training"]), default="inference", show_default=True, help=mode
        ),
        "set": set_option,
        "weights": weights_option,
    }
    chosen = [option for name, option in added.items() if name not in without]

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def run(
            *,
            input_: tuple[str, ...] = (),
            batch: int | None = None,
            dtype: str | None = None,
            mode: Mode = "inference",
            settings: tuple[str, ...] = (),
            weights_file: str | None = None,
            **others: object,
        ) -> object:
            network: NetworkOptions = {
                "inputs": parse_inputs(input_),
                "batch": batch,
                "dtype": dtype,
                "mode": mode,
                "overrides": parse_settings(settings),
                "weights": weights_file,
            }
            return command(network=network, **others)

        for option in reversed(chosen):
            run = option(run)
        return cast(Command, run)

    return add


machine_option = click.option(
    "--machine",
    metavar="NAME[:DTYPE]",
    default=machines.DEFAULT,
    show_default=True,
    help=f"The machine of the roofline: {', '.join(machines.MACHINES)}.",
)


def parse_depth(depth: str) -> int | None:
    """Read `--depth`: a number of levels, or None for `all`.

    Raises:
        ConfigError: it is neither.
    """
    if depth == "all":
        return None
    if not re.fullmatch("[1-9][0-9]{0,3}", depth):
        raise ConfigError(f"--depth {depth}: expected a whole number from 1, or all")
    return int(depth)


def parse_settings(settings: tuple[str, ...], option: str = "--set") -> dict[str, str]:
    """Read the `KEY=VALUE` pairs of an option.

    Raises:
        ConfigError: one is not of this form.
    """
    pairs = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"{option} {setting}: expected KEY=VALUE, such as classes=10")
        pairs[key.strip()] = value.strip()
    return pairs


class ParsedInput(NamedTuple):
    """An input as the command line describes it."""

    shape: tuple[int, ...]
    dtype: str | None = None
    """None for the dtype of the model's parameters."""


def parse_inputs(texts: Sequence[str]) -> dict[str, ParsedInput] | tuple[int, ...] | None:
    """Read every `--input`: `1x3x224x224` alone is a shape, `ids=1x128:int64` an input by name.

    The name of an input with a dtype and without a name is empty: it is the first input.

    Raises:
        ConfigError: one is not a shape, has an unknown dtype, or is given twice.
    """
    if not texts:
        return None
    if len(texts) == 1 and not set(texts[0]) & set("=:"):
        return _shape(texts[0], texts[0])
    given: dict[str, ParsedInput] = {}
    for text in texts:
        name, equals, described = text.rpartition("=")
        shape, colon, dtype = described.partition(":")
        if colon and dtype not in BYTES_PER_ELEMENT:
            raise ConfigError(f"--input {text}: `{dtype}` is not a dtype{suggest(dtype, BYTES_PER_ELEMENT)}")
        if not equals and len(texts) > 1:
            raise ConfigError(f"--input {text}: each of several inputs needs its name, such as ids=1x128:int64")
        if name in given:
            raise ConfigError(f"--input {text}: `{name}` is given twice")
        given[name] = ParsedInput(_shape(shape, text), dtype or None)
    return given


def _shape(text: str, option: str) -> tuple[int, ...]:
    """Read a shape of the text of an option: `1x3x224x224`, or `224` alone for a square colour image.

    Only an input with a name can have no elements.
    """
    if not re.fullmatch(r"\d{1,9}(x\d{1,9})*", text, flags=re.ASCII) or (text == option and re.match("0|.*x0", text)):
        raise ConfigError(f"--input {option}: a shape is whole numbers joined by x, such as 1x3x224x224")
    sizes = tuple(int(size) for size in text.split("x"))
    return (1, 3, *sizes * 2) if len(sizes) == 1 and text == option else sizes
