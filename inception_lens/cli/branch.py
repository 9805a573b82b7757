"""The options that describe one branch, which `savings` and `sweep` share."""

import functools
import re
from collections.abc import Callable
from typing import NamedTuple, cast

import click

from inception_lens.analyses.savings.branch import Branch
from inception_lens.cli import options
from inception_lens.errors import ConfigError


def branch_options(reduce: str) -> Callable[[options.Command], options.Command]:
    """The options of one branch, passed to the command as one `branch`.

    `reduce` is the help of its reduction, a width or a range of widths.
    """
    added = (
        click.option("--in", "in_channels", type=int, metavar="N", help="One branch: channels of its input."),
        click.option("--out", "out_channels", type=int, metavar="N", help="One branch: channels of its output."),
        click.option("--kernel", metavar="K", help="One branch: its large kernel, 5 or 1x7."),
        click.option("--size", metavar="S", help="One branch: height and width of its input, 28 or 28x14."),
        click.option("--reduce", metavar="N", help=reduce),
        click.option("--bias", is_flag=True, help="One branch: count biases too."),
    )

    def add(command: options.Command) -> options.Command:
        @functools.wraps(command)
        def run(
            in_channels: int | None,
            out_channels: int | None,
            kernel: str | None,
            size: str | None,
            reduce: str | None,
            bias: bool,
            **others: object,
        ) -> object:
            branch = BranchOptions(in_channels, out_channels, kernel, size, reduce, bias)
            return command(branch=branch, **others)

        for option in reversed(added):
            run = option(run)
        return cast(options.Command, run)

    return add


class BranchOptions(NamedTuple):
    """What the command line states of one branch."""

    in_channels: int | None
    out_channels: int | None
    kernel: str | None
    size: str | None
    reduce: str | None
    bias: bool

    @property
    def given(self) -> bool:
        """Whether any of the options was given."""
        return self.bias or any(value is not None for value in self._required().values())

    def branch(self, width: Callable[[str], int]) -> Branch:
        """The branch; `width` reads its `--reduce`.

        Raises:
            ConfigError: an option is missing or wrong.
        """
        missing = [option for option, value in self._required().items() if value is None]
        if missing:
            raise ConfigError(f"one branch needs {', '.join(self._required())}; missing: {', '.join(missing)}")
        return Branch(
            in_channels=int(self.in_channels or 0),
            out_channels=int(self.out_channels or 0),
            kernel=_pair("--kernel", str(self.kernel)),
            reduce=width(str(self.reduce)),
            size=_pair("--size", str(self.size)),
            bias=self.bias,
        )

    def _required(self) -> dict[str, int | str | None]:
        return {
            "--in": self.in_channels, "--out": self.out_channels, "--kernel": self.kernel, "--size": self.size,
            "--reduce": self.reduce,
        }  # fmt: skip


def _pair(option: str, text: str) -> tuple[int, int]:
    if not re.fullmatch(r"[1-9]\d{0,6}(x[1-9]\d{0,6})?", text, flags=re.ASCII):
        raise ConfigError(f"{option} {text}: expected a whole number from 1, or two joined by x, such as 5 or 1x7")
    height, _, width = text.partition("x")
    return int(height), int(width or height)
