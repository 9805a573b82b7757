"""The command `inception-lens`. Each subcommand is in the module of its name, which is imported when it is called.

Exit codes: 0 done; 1 a check failed; 2 bad usage or input, explained in one line; 130 interrupted.
"""

import gc
import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from inception_lens.errors import InceptionLensError, suggest
from inception_lens.version import __version__

PROGRAM = "inception-lens"
MAX_LINE_LENGTH = 1_500
"""Characters of an error message; the middle of a longer one is left out."""
INTERRUPTED = 130
"""The exit code of shells for SIGINT: 128 and the number of the signal."""

SECTIONS = {
    "Cost": {
        "summary": ("summary", "Show the cost of each module or layer of a network."),
        "list": ("listing", "List the catalogue: every network, with its cost and accuracy."),
        "compare": ("compare", "Show the differences between two networks and their cost."),
        "verify": ("verify", "Recount a network by other means, or check the paper's Table 1."),
        "profile": ("profile", "Measure the time and memory of each module on this machine."),
    },
    "Savings": {
        "savings": ("savings", "Show what 1x1 reductions and other rewrites save."),
        "what-if": ("what_if", "Show the cost of a network with other widths."),
        "sweep": ("sweep", "Show the cost over a range of widths of one layer."),
    },
    "Figures": {
        "diagram": ("diagram", "Draw a network: svg, png, pdf or dot."),
        "plot": ("plot", "Plot the cost of a network, the catalogue or a training run."),
        "report": ("report", "Write everything about a network on one page."),
    },
    "Training": {
        "train": ("training.train", "Train a network."),
        "evaluate": ("training.evaluate", "Evaluate a trained network."),
        "predict": ("training.predict", "Classify images with a trained network."),
        "ablate": ("training.ablate", "Measure whether a reduction or another choice costs accuracy."),
    },
    "Files": {
        "export": ("export", "Write a network in another format."),
        "weights": ("weights", "List the tensors of a file of weights, or convert it."),
        "schema": ("schema", "Print the JSON Schema of configs, for editors."),
    },
    "Other": {
        "bench": ("bench", "Measure this package and other counters, or the trainer."),
        "completion": ("completion", "Print the completion script of a shell."),
    },
}
"""Every subcommand by section: its module and its one-line help, so that `--help` imports none of them."""

COMMANDS = {name: command for commands in SECTIONS.values() for name, command in commands.items()}


class _Lens(click.Group):
    """A group whose commands are imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"inception_lens.cli.{COMMANDS[cmd_name][0]}").command
        gc.enable()
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"`{args[0]}` is not a command{suggest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, (_, text) in commands.items()])


HELP = """Show the exact cost of networks, layer by layer.

\b
inception-lens summary                          the paper's GoogLeNet
inception-lens summary googlenet@torchvision    torchvision's version of it
inception-lens summary net.toml --depth 2       your own network

A MODEL is a name of the catalogue (see `list`), a config (.toml), an ONNX model (.onnx), a Caffe net (.prototxt,
.caffemodel), a TensorFlow graph (.pb), a Paddle program (.pdmodel, .json), a Darknet config (.cfg), a program of
PyTorch (.pt2, or of torch.jit.save), or a PyTorch callable, package.module:callable or file.py:callable. The last two
run code.
"""


@click.group(cls=_Lens, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name=PROGRAM)
def lens() -> None:
    """Run the command; its help is `HELP`."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and exit."""
    # A shell ignores SIGINT for its background processes; it stays ignored then.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    code = run(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the work is done, and libraries may take a while to exit
    if "torch" not in sys.modules:
        gc.freeze()  # otherwise the interpreter searches all modules for cycles as it exits: a fifth of the time
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, or end the process during an import: compiled modules may swallow the exception."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            os.write(2, b"error: interrupted\n")  # `print` could import, and so wait for this import
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; a mistake of the user is one line on standard error."""
    try:
        code = lens.main(arguments, prog_name=PROGRAM, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _refuse(error.format_message())
    except InceptionLensError as error:
        return _refuse(str(error))
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit:  # click turns a broken pipe into this
        return 0
    except OSError as error:
        return _refuse(f"standard output: {error.strerror or error}")
    except (KeyboardInterrupt, click.Abort):
        _refuse("interrupted")
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _refuse(message: str) -> int:
    from inception_lens.renderers.escape import printable

    line = " ".join(printable(part) for part in message.splitlines() if part)
    if len(line) > MAX_LINE_LENGTH:  # it may quote text from a file
        line = f"{line[: MAX_LINE_LENGTH - 300]} ... {line[-290:]}"
    color = not os.environ.get("NO_COLOR") and sys.stderr is not None and sys.stderr.isatty()
    click.echo(click.style(f"error: {line}", fg="red") if color else f"error: {line}", err=True, color=color)
    return 2
