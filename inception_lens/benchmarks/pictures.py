"""Speed of diagrams compared with torchview, which draws PyTorch modules with Graphviz too.

Run it with `make bench-pictures`. Only ratios within one run are meaningful, because machines differ.
"""

import os
import statistics
import sys
import tempfile
import time

from inception_lens.benchmarks.graphs import chain
from inception_lens.benchmarks.startup import elapsed
from inception_lens.errors import require
from inception_lens.graph import Graph
from inception_lens.renderers.diagrams.diagram import diagram

COMMAND_LIMIT = 1 / 4
"""The longest time of the command, relative to a process that draws GoogLeNet with torchview."""
CHAIN_LIMIT = 1.0
"""The longest time of a diagram of 1,000 modules, relative to torchview's time for 100."""
REPEATS = 5

TORCHVIEW = """
import sys
from inception_lens.architectures.catalogue import find
from inception_lens.benchmarks.pictures import draw_with_torchview
draw_with_torchview(find("googlenet").config.graph(), sys.argv[1])
"""


def draw_with_torchview(graph: Graph, path: str) -> None:
    """Build a Graph as a PyTorch module on the meta device, and draw it as an SVG file with torchview."""
    torch = require("torch", extra="torch")
    torchview = require("torchview", extra="bench")
    from inception_lens.pytorch.build.network import build

    with torch.device("meta"):
        module = build(graph).eval()
    shape = graph.inputs[0].type.shape
    drawn = torchview.draw_graph(module, input_size=shape, device="meta", depth=1).visual_graph
    drawn.render(outfile=path, cleanup=True, quiet=True)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        _command(os.path.join(folder, "ours.svg"), os.path.join(folder, "theirs.svg"))
        _chains(os.path.join(folder, "chain.svg"))


def _command(ours: str, theirs: str) -> None:
    command = [sys.executable, "-m", "inception_lens", "diagram", "googlenet", "-o", ours]
    peer = [sys.executable, "-c", TORCHVIEW, theirs]
    pairs = [(elapsed(command), elapsed(peer)) for _ in range(REPEATS + 1)][1:]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"`inception-lens diagram googlenet -o x.svg` takes {mine:.3f} s, a process with torchview {other:.3f} s: "
        f"ratio {mine / other:.3f}, limit {COMMAND_LIMIT}"
    )


def _chains(path: str) -> None:
    short, mine, peer = chain(100), [], []
    for _ in range(REPEATS):
        start = time.perf_counter()
        diagram(chain(1000)).draw("svg")
        between = time.perf_counter()
        draw_with_torchview(short, path)
        mine.append(between - start)
        peer.append(time.perf_counter() - between)
    ours, other = statistics.median(mine), statistics.median(peer)
    print(
        f"a diagram of 1,000 chained modules takes {ours:.3f} s, torchview {other:.3f} s for 100: "
        f"ratio {ours / other:.3f}, limit {CHAIN_LIMIT}"
    )


if __name__ == "__main__":
    main()
