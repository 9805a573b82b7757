"""The table of one branch with its reduction and without it."""

from inception_lens.analyses.savings.branch import Branch, BranchSavings
from inception_lens.ops import format_shape
from inception_lens.tables.table import Column, Row, Table
from inception_lens.tables.units import times


def branch_table(found: BranchSavings) -> Table:
    """A row for each way, with the arithmetic of its parameters."""
    branch = found.branch
    positions = format_shape(branch.size)
    counted = "parameters" if branch.bias else "weights"
    totals = {"direct": found.direct.totals, "reduced": found.reduced.totals}
    ratios = {counted: found.ratio["params"], "MACs": found.ratio["macs"]}
    return Table(
        title=f"{branch.in_channels}x{positions} to {branch.out_channels}x{positions} by "
        f"{format_shape(branch.kernel)}, with and without a 1x1 reduction to {branch.reduce} channels",
        label=Column(key="way", title=""),
        columns=(
            Column(key="arithmetic", title="arithmetic", min_width=24),
            Column(key="params", title=counted, kind="count"),
            Column(key="macs", title=f"MACs at {positions}", kind="count"),
        ),
        rows=tuple(
            [
                Row(way, (arithmetic, totals[way].params, totals[way].macs))
                for way, arithmetic in branch_arithmetic(branch).items()
            ]
        ),
        notes=(f"reduced: {', '.join([f'{_fewer(ratio)} {name}' for name, ratio in ratios.items()])}",),
    )


def branch_arithmetic(branch: Branch) -> dict[str, str]:
    """The number of parameters of each way as a sum of products."""
    kernel = format_shape(branch.kernel)

    def weights(in_channels: int, window: str, out_channels: int) -> str:
        return f"{in_channels}x{window}x{out_channels}" + (f" + {out_channels}" if branch.bias else "")

    return {
        "direct": weights(branch.in_channels, kernel, branch.out_channels),
        "reduced": f"{weights(branch.in_channels, '1x1', branch.reduce)} + "
        + weights(branch.reduce, kernel, branch.out_channels),
    }


def _fewer(ratio: float) -> str:
    return f"{times(ratio)} times fewer" if ratio >= 1 else f"{times(1 / ratio)} times more"
