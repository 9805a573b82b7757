"""What PyTorch says of savings, as tables in a terminal."""

import textwrap

from inception_lens.analyses.savings.proofs import Proof
from inception_lens.renderers.escape import printable
from inception_lens.renderers.table import Drawn, draw
from inception_lens.tables.units import count, duration


def proof_table(proof: Proof, *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write what was counted again, computed and timed; empty where nothing was."""
    lines: list[str] = []
    if proof.verified:
        drawn = [
            Drawn("network", [printable(each.network) for each in proof.verified], folds_to=20),
            Drawn("params", [count(each.params) for each in proof.verified], justify="right"),
            Drawn("of modules", [count(each.params_of_modules) for each in proof.verified], justify="right"),
            Drawn("MACs", [count(each.macs) for each in proof.verified], justify="right"),
            Drawn(
                "FlopCounterMode / 2", [count(each.macs_of_flop_counter) for each in proof.verified], justify="right"
            ),
            Drawn("", ["equal" if each.agrees else "DIFFERS" for each in proof.verified]),
        ]
        lines += ["", "counted again in PyTorch", "", *draw(drawn, width, color, unicode)]
    for each in proof.folded:
        note = (
            f"{each.norms} batch norms folded in float64, statistics at random: outputs differ by at most "
            f"{each.largest_difference:.1e} of {each.largest_output:.1e}: {'equal' if each.agrees else 'DIFFERS'}"
        )
        lines += ["", *textwrap.wrap(note, width)]
    if proof.measured:
        first = proof.measured[0]
        drawn = [
            Drawn("network", [printable(each.network) for each in proof.measured], folds_to=20),
            Drawn("median", [duration(each.seconds) for each in proof.measured], justify="right"),
            Drawn("fastest", [duration(each.fastest) for each in proof.measured], justify="right"),
            Drawn("slowest", [duration(each.slowest) for each in proof.measured], justify="right"),
            Drawn("runs", [count(each.runs) for each in proof.measured], justify="right"),
            Drawn("times", [f"{each.fastest / first.fastest:.2f}" for each in proof.measured], justify="right"),
        ]
        title = f"measured on {first.device} in {first.dtype}, one forward pass; times = fastest over the first's"
        lines += ["", *textwrap.wrap(title, width), "", *draw(drawn, width, color, unicode)]
    text = "\n".join(lines) + "\n" if lines else ""
    return text if unicode else text.replace("µ", "u")
