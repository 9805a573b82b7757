"""The command `inception-lens`. Each subcommand stands in the module of its name, imported when it is called.

Exit codes: 0 done; 1 a check said no; 2 bad usage or bad input, told in one line.
"""

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
LONGEST_LINE = 1_500
"""Characters of an error; the middle of a longer one is left out."""
INTERRUPTED = 130
"""As shells count it: 128 and the number of the signal."""

COMMANDS = {
    "summary": ("summary", "What each module or layer of a network costs, as a table."),
    "savings": ("savings", "What 1x1 reductions and the family's other tricks save."),
    "what-if": ("what_if", "A network with the widths of some layers changed."),
    "sweep": ("sweep", "The cost of a network, or of one branch, over a range of widths."),
    "list": ("listing", "The catalogue: every network by name, with its size."),
    "compare": ("compare", "What differs between two networks, and what it costs."),
    "verify": ("verify", "Second opinions on the counts; --paper, against the paper's Table 1."),
    "diagram": ("diagram", "A network as a figure: svg, png, pdf or dot."),
    "report": ("report", "Everything about a network on one page that works offline."),
    "plot": ("plot", "Figures of a network, and of the family: cost, memory, field, accuracy."),
    "train": ("training.train", "Train a network: digits in two minutes, or any images of yours."),
    "evaluate": ("training.evaluate", "How often a trained network is right, again."),
    "predict": ("training.predict", "What a trained network sees in images."),
    "ablate": ("training.ablate", "Whether a reduction, or another choice, costs accuracy."),
    "bench": ("bench", "Time, memory and rightness beside the counters that people use; bench train."),
    "profile": ("profile", "Measured time and memory of each module, beside this machine's roofline."),
    "export": ("export", "Write a network in another format."),
    "weights": ("weights", "What a file of weights holds; its conversion into a network's names."),
    "schema": ("schema", "Print the JSON Schema of TOML configs, for editors."),
    "completion": ("completion", "Print the shell's completion script."),
}
"""Every subcommand: its module, and its one line of help, so that the overview imports none of them."""


class _Lens(click.Group):
    """A group whose commands are imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"inception_lens.cli.{COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"`{args[0]}` is no command{suggest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


HELP = """Show what an Inception-style network costs, layer by layer.

\b
inception-lens summary                          the paper's GoogLeNet
inception-lens summary googlenet@torchvision    a port of it
inception-lens summary net.toml --depth 2       a network of yours
"""


@click.group(cls=_Lens, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name=PROGRAM)
def lens() -> None:
    """The command; its help is `HELP`."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and exit."""
    # A shell ignores it for what it runs in the background, and then so do we.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    code = run(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done, and libraries may take their time to go
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; from within an import end the process, as compiled modules may make anything of it."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            os.write(2, b"error: interrupted\n")  # anything more could import, and wait for itself
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; what a user did wrong is one line on standard error."""
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
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit:  # click's own answer to the same, and to nothing else where it does not stand alone
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
    if len(line) > LONGEST_LINE:  # of names and texts that others wrote
        line = f"{line[: LONGEST_LINE - 300]} ... {line[-290:]}"
    color = not os.environ.get("NO_COLOR") and sys.stderr is not None and sys.stderr.isatty()
    click.echo(click.style(f"error: {line}", fg="red") if color else f"error: {line}", err=True, color=color)
    return 2
