"""The table of `verify`: the counts of a network by this package and by other counters."""

from inception_lens.analyses.second_opinions import Opinion, Opinions
from inception_lens.tables.table import Column, Row, Table

COLUMNS = (
    Column(key="macs", title="MACs", kind="count"),
    Column(key="params", title="params", kind="count"),
    Column(key="verdict", title="verdict", kind="verdict", min_width=24),
)


def opinions_table(found: Opinions) -> Table:
    """A row for each counter, with what explains its difference."""
    return Table(
        title=f"{found.name}, counted by independent means",
        label=Column(key="counter", title="counted by", min_width=22),
        columns=COLUMNS,
        rows=(
            Row("Inception Lens", (found.macs, found.params, "")),
            *[
                Row(
                    each.counter,
                    (
                        "" if each.macs is None else each.macs,
                        "" if each.params is None else each.params,
                        _verdict(each, found),
                    ),
                )
                for each in found.opinions
            ],
        ),
        notes=(conclusion(found),),
    )


def conclusion(found: Opinions) -> str:
    """Whether every difference is a known one, in a sentence."""
    unexplained = [each.counter for each in found.opinions if not each.agrees]
    if unexplained:
        return f"differences without an explanation: {', '.join(unexplained)}"
    return f"every count agrees or differs for a known reason; {found.shapes_compared} shapes compared"


def _verdict(opinion: Opinion, found: Opinions) -> str:
    reasons = "; ".join(opinion.explained)
    if not opinion.agrees:
        return f"differs: {reasons}"
    if opinion.macs is None and opinion.params is None:
        return reasons
    same = opinion.macs in (None, found.macs) and opinion.params in (None, found.params)
    return f"known: {reasons}" if not same else f"agrees: {reasons}" if reasons else "agrees"
