"""The tables of the checks of savings by PyTorch."""

from inception_lens.analyses.savings.proofs import Folded, Proof, Recount, Timing
from inception_lens.tables.table import Column, Row, Table

NETWORK = Column(key="network", title="network", min_width=20)


def proof_tables(proof: Proof) -> tuple[Table, ...]:
    """A table for each check that was requested."""
    tables = []
    if proof.verified:
        tables.append(_recounts(proof.verified))
    if proof.folded:
        tables.append(_foldings(proof.folded))
    if proof.measured:
        tables.append(_timings(proof.measured))
    return tuple(tables)


def _recounts(recounts: tuple[Recount, ...]) -> Table:
    return Table(
        key="verified",
        title="counted again in PyTorch",
        label=NETWORK,
        columns=(
            Column(key="params", title="params", kind="count"),
            Column(key="params_of_modules", title="of modules", kind="count"),
            Column(key="macs", title="MACs", kind="count"),
            Column(key="macs_of_flop_counter", title="FlopCounterMode / 2", kind="count"),
            Column(key="verdict", title="", kind="verdict"),
        ),
        rows=tuple(
            [
                Row(
                    each.network,
                    (
                        each.params,
                        each.params_of_modules,
                        each.macs,
                        each.macs_of_flop_counter,
                        "equal" if each.agrees else "DIFFERS",
                    ),
                )
                for each in recounts
            ]
        ),
    )


def _foldings(foldings: tuple[Folded, ...]) -> Table:
    return Table(
        key="folded",
        title="batch norms folded in float64, with random statistics",
        label=NETWORK,
        columns=(
            Column(key="norms", title="batch norms", kind="count"),
            Column(key="largest_difference", title="largest difference", kind="number"),
            Column(key="largest_output", title="largest output", kind="number"),
            Column(key="verdict", title="", kind="verdict"),
        ),
        rows=tuple(
            [
                Row(
                    each.network,
                    (each.norms, each.largest_difference, each.largest_output, "equal" if each.agrees else "DIFFERS"),
                )
                for each in foldings
            ]
        ),
    )


def _timings(timings: tuple[Timing, ...]) -> Table:
    first = timings[0]
    return Table(
        key="measured",
        title=f"measured on {first.device} in {first.dtype}, one forward pass",
        label=NETWORK,
        columns=(
            Column(key="seconds", title="median", kind="seconds"),
            Column(key="fastest", title="fastest", kind="seconds"),
            Column(key="slowest", title="slowest", kind="seconds"),
            Column(key="runs", title="runs", kind="count"),
            Column(key="times", title="times", kind="ratio", audience="people"),
        ),
        rows=tuple(
            [
                Row(each.network, (each.seconds, each.fastest, each.slowest, each.runs, each.fastest / first.fastest))
                for each in timings
            ]
        ),
        notes=("times = fastest over the fastest of the first network",),
    )
