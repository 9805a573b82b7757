"""How the results of `savings` are written: each renderer where its result is known."""

import msgspec

from inception_lens.analyses.savings import Savings
from inception_lens.analyses.savings_branch import BranchSavings
from inception_lens.analyses.savings_changes import Sweep, WhatIf
from inception_lens.cli.summary import Format
from inception_lens.errors import ConfigError
from inception_lens.terminal import Terminal

Result = Savings | BranchSavings | WhatIf | Sweep


def render(result: Result, chosen: Format, to_terminal: bool) -> str:
    """The result in the format that was chosen."""
    if chosen == "json":
        return result.to_json() + "\n"
    if chosen == "table":
        return _table(result, to_terminal)
    from inception_lens.renderers import savings_frame

    renderers = {
        "csv": savings_frame.savings_csv,
        "markdown": savings_frame.savings_markdown,
        "latex": savings_frame.savings_latex,
    }
    return renderers[chosen](result)


def render_kinds(found: Savings, chosen: Format) -> str:
    """Every kind of saving, and whether the network has it.

    Raises:
        ConfigError: the list is not written in this format.
    """
    counts = [
        {
            "kind": kind.name,
            "title": kind.title,
            "source": kind.source,
            **{direction: len(saving.sites) if (saving := found.of(kind.name, direction)) else 0
               for direction in kind.finders()},
        }
        for kind in found.asked
    ]  # fmt: skip
    if chosen == "json":
        return msgspec.json.format(msgspec.json.encode(counts), indent=2).decode() + "\n"
    if chosen != "table":
        raise ConfigError(f"--kind list is written as table or json, not {chosen}")
    from inception_lens.renderers.savings_text import kinds_table

    terminal = Terminal()
    return kinds_table(found, width=terminal.width, color=terminal.color, unicode=terminal.unicode)


def _table(result: Result, to_terminal: bool) -> str:
    from inception_lens.renderers import savings_text as text

    terminal = Terminal()
    color, unicode = terminal.color and to_terminal, terminal.unicode or not to_terminal
    match result:
        case Savings():
            return text.savings_table(result, width=terminal.width, color=color, unicode=unicode)
        case BranchSavings():
            return text.branch_table(result, width=terminal.width, color=color, unicode=unicode)
        case WhatIf():
            return text.what_if_table(result, width=terminal.width, color=color, unicode=unicode)
        case Sweep():
            return text.sweep_table(result, width=terminal.width, color=color, unicode=unicode)
