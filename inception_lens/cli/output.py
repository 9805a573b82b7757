"""Output of every command: its options, its formats, and files that are written completely or not at all."""

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from inception_lens.errors import ConfigError, OutputError
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
    return format_options({**FORMATS, **{f".{picture}": picture for picture in pictures}}, default="table")


def format_options(
    suffixes: Mapping[str, str], *, default: str
) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """The options --format and -o of a command, as its argument `outputs`.

    Args:
        suffixes: the formats by the suffixes of files.
        default: the format of standard output; without one, -o is required.
    """

    def decorate(command: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(command)
        def with_outputs(format_: str | None, files: tuple[str, ...], **options: object) -> object:
            outputs = [OutputTarget(format_ or format_of(file, suffixes, default), file) for file in files or (None,)]
            return command(outputs=outputs, **options)

        formats = click.Choice(list(dict.fromkeys(suffixes.values())))
        by_suffix = f"Default: by the suffix of FILE{f', or {default}' if default else ''}."
        add_format = click.option("--format", "format_", type=formats, help=by_suffix)
        add_files = click.option(
            "-o", "--output", "files", metavar="FILE", multiple=True, required=not default,
            help=f"Write to FILE ({', '.join(suffixes)}){'; - is standard output' if default else ''}. Repeatable.",
        )  # fmt: skip
        return add_format(add_files(with_outputs))

    return decorate


def format_of(file: str | None, suffixes: Mapping[str, str], default: str) -> str:
    """The format of a file by its suffix; `default` for standard output, if there is a default.

    Raises:
        ConfigError: the suffix is unknown.
    """
    if default and (file is None or file in STANDARD_OUTPUT):
        return default
    suffix = os.path.splitext(file or "")[1].lower()
    if suffix not in suffixes:
        unknown = f"unknown suffix `{suffix}`" if suffix else "no suffix"
        raise ConfigError(f"{file}: {unknown}; known are {', '.join(suffixes)}; or give --format")
    return suffixes[suffix]


output_option = click.option(
    "-o",
    "--output",
    "files",
    metavar="FILE",
    multiple=True,
    help="Write to FILE; - is standard output. Repeatable.",
)
"""The option -o of a command with one format."""


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

    def result(output: OutputTarget) -> str | bytes:
        if output.format == "json":
            return json() + "\n"
        if output.format in FORMATS.values():
            return rendered(table(output.format), output)
        assert picture
        return picture(output.format)

    emit_each(outputs, result)


def emit_each(outputs: Sequence[OutputTarget], result: Callable[[OutputTarget], str | bytes]) -> None:
    """Write every output after all of them are complete, so that a mistake in one leaves no other.

    Raises:
        OutputError: a file could not be written.
    """
    for output, written in [(output, result(output)) for output in outputs]:
        write(written, output.file)


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
