"""The table of an ablation: its arms, and their differences from the first one."""

from inception_lens.tables.table import Column, Row, Table
from inception_lens.training.ablation import Ablation, ArmDifference

ARM = Column(key="arm", title="arm")
ARM_COLUMNS = (
    Column(key="accuracy", title="accuracy", kind="accuracy"),
    Column(key="deviation", title="deviation", kind="accuracy"),
    Column(key="n", title="n", kind="count"),
    Column(key="accuracies", title="each seed", audience="people", priority=1),
    Column(key="params", title="params", kind="count"),
    Column(key="macs", title="MACs", kind="large"),
    Column(key="seconds", title="time per run", kind="seconds", priority=3),
    Column(key="cpu_seconds", title="CPU time", kind="seconds", priority=2),
)
DIFFERENCE_COLUMNS = (
    Column(key="accuracy", title="accuracy (points)", kind="accuracy", signed=True),
    Column(key="spread", title="spread", kind="accuracy"),
    Column(key="verdict", title="difference", kind="verdict"),
    Column(key="params", title="params ratio", kind="ratio"),
    Column(key="macs", title="MACs ratio", kind="ratio"),
)
DEFINITIONS = (
    "accuracy: top-1 on the test images after the last epoch, as mean and sample standard deviation over the seeds",
    "spread: standard deviation of the difference of two runs, the root of the sum of both variances",
    "time per run: wall time with evaluation, which depends on the load of the machine; CPU time: of all cores",
)


def subtitle(ablation: Ablation) -> str:
    """The dataset, the number of epochs and the seeds."""
    return f"{ablation.data}, {ablation.epochs} epochs, seeds {', '.join(map(str, ablation.seeds))}"


def ablation_table(ablation: Ablation, *notes: str) -> Table:
    """A row for each arm, and a further table of the differences; `notes` are added below."""
    rows = [
        Row(
            arm.arm,
            (
                arm.mean,
                arm.deviation,
                arm.n,
                ", ".join(f"{100 * accuracy:.2f}" for accuracy in arm.accuracies),
                arm.params,
                arm.macs,
                arm.seconds,
                arm.cpu_seconds,
            ),
        )
        for arm in ablation.arms
    ]
    differences = Table(
        title=f"Differences from {ablation.arms[0].arm}",
        key="differences",
        label=ARM,
        columns=DIFFERENCE_COLUMNS,
        rows=tuple([_difference_row(difference) for difference in ablation.differences]),
        notes=(*DEFINITIONS, *notes),
    )
    return Table(
        title=f"Ablation: {ablation.name}",
        subtitle=subtitle(ablation),
        key="arms",
        label=ARM,
        columns=ARM_COLUMNS,
        rows=tuple(rows),
        further=(differences,),
    )


def _difference_row(difference: ArmDifference) -> Row:
    verdict = {True: "larger than the spread", False: "within the spread", None: "spread unknown from one seed"}
    cells = (
        difference.accuracy,
        difference.spread,
        verdict[difference.more_than_spread],
        difference.params,
        difference.macs,
    )
    return Row(difference.arm, cells)
