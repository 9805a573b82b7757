"""OutputTarget of every command: its options, its formats, and files that are written completely or not at all."""

import functools
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from inception_lens.cli.options import format_of
from inception_lens.errors import OutputError
from inception_lens.files import write_file
from inception_lens.terminal import Terminal

if TYPE_CHECKING:
    from inception_lens.tables.table import Table

FORMATS = {
    ".txt": "table", ".md": "markdown", ".tex": "latex", ".csv": "csv", ".html": "html", ".json": "json",
}  # fmt: skip
"""The formats of every table, by the suffix of a file."""
STANDARD_OUTPUT = (None, "-", "/dev/stdout")


class OutputTarget(NamedTuple):
    """One of the outputs that a command writes."""

    format: str
    file: str | None
    """None and `-` are standard output."""


def output_options(*pictures: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """The options --format and -o of a command that writes a table, as its argument `outputs`.

    Args:
        pictures: further formats of the command, such as `svg`; each is also the suffix of its files.
    """
    suffixes = {**FORMATS, **{f".{picture}": picture for picture in pictures}}

    def decorate(command: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(command)
        def with_outputs(format_: str | None, files: tuple[str, ...], **options: object) -> object:
            outputs = [OutputTarget(format_ or format_of(file, suffixes), file) for file in files or (None,)]
            return command(outputs=outputs, **options)

        formats = click.Choice(list(suffixes.values()))
        add_format = click.option("--format", "format_", type=formats, help="Default: by the suffix of FILE, or table.")
        add_files = click.option(
            "-o", "--output", "files", metavar="FILE", multiple=True,
            help=f"Write to FILE ({', '.join(suffixes)}); - is standard output. Repeatable.",
        )  # fmt: skip
        return add_format(add_files(with_outputs))

    return decorate


def emit(
    outputs: Sequence[OutputTarget],
    json: Callable[[], str],
    table: Callable[[str], "Table"],
    picture: Callable[[str], bytes] | None = None,
) -> None:
    """Write a result in every format that is requested.

    Args:
        outputs: from `output_options`.
        json: the result as JSON.
        table: the result as the Table for a format; it is the same for most formats.
        picture: the result in a format of its pictures.

    Raises:
        OutputError: a file could not be written.
    """
    written: list[tuple[str | bytes, str | None]] = []
    for output in outputs:
        if output.format == "json":
            written.append((json() + "\n", output.file))
        elif output.format in FORMATS.values():
            written.append((rendered(table(output.format), output), output.file))
        else:
            assert picture
            written.append((picture(output.format), output.file))
    for result, file in written:
        write(result, file)


def as_json(value: object) -> str:
    """A value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def rendered(table: "Table", output: OutputTarget) -> str:
    """The text of a table in the format of an output."""
    if output.format == "table":
        from inception_lens.renderers.tables import text

        return text.render(table, **Terminal().style(to_file=output.file not in STANDARD_OUTPUT))
    from inception_lens.renderers.tables import csv, html, latex, markdown

    writers = {"markdown": markdown.render, "latex": latex.render, "csv": csv.render, "html": html.render}
    return writers[output.format](table)


def write(result: str | bytes, target: str | None) -> None:
    """Write a result to the file `target`, or to standard output.

    Raises:
        OutputError: the file could not be written; an earlier file of that name is unchanged.
    """
    if target is None or target in STANDARD_OUTPUT:
        if sys.stdout is None:
            raise OutputError("standard output is closed")
        if isinstance(result, bytes):
            sys.stdout.buffer.write(result)
            return
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        sys.stdout.write(result)
        return
    write_file(target, result)
