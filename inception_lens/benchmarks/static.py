"""Building and analysing networks beside PyTorch's FlopCounterMode, and the whole command beside `import torch`.

Run it with `make bench`. Only ratios within one run mean anything: machines differ, and so do the hours of one machine.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from inception_lens.analyses.analysis import analyze
from inception_lens.analyses.compare import compare
from inception_lens.analyses.machines import machine
from inception_lens.analyses.savings import DEFAULT_KINDS, savings
from inception_lens.analyses.savings_kinds import kinds_called
from inception_lens.architectures.blocks import ConvStyle, Inception, inception
from inception_lens.architectures.catalogue import find
from inception_lens.errors import require
from inception_lens.graph import Graph, Input, Output, Writer
from inception_lens.ops import BatchNorm2d, TensorType

LIMIT = 1 / 20
"""Of FlopCounterMode's time, for building and analysing a network."""
SAVINGS_LIMIT = 1 / 2
"""Of FlopCounterMode's time for the network itself, for its savings: three networks built, rewritten and analysed."""


COMPARISON_LIMIT = 1
"""Of FlopCounterMode's time over one of two networks, for comparing them."""
COMMAND_LIMIT = 0.12
"""Of the time of `import torch`, for the whole command."""

NETWORKS = ("googlenet", "googlenet@torchvision", "inception_resnet_v2@timm")
MODULE = Inception(conv_1x1=64, reduce_3x3=96, conv_3x3=128, reduce_5x5=16, conv_5x5=32, pool_proj=32)


def chain(length: int, style: ConvStyle | None = None, kernel_5x5: int = 5) -> Graph:
    """Build `length` Inception modules of 256 channels, each reading the one before."""
    writer = Writer([Input("input", TensorType((1, 256, 28, 28)))])
    x = "input"
    for i in range(length):
        x = inception(writer, x, f"inception_{i}", MODULE, style or ConvStyle(), kernel_5x5, "ceil")
    return writer.graph([Output(x)])


def flop_counter(graph: Graph) -> Callable[[], int]:
    """The network as a PyTorch module on the meta device, counted by FlopCounterMode; one call is one count."""
    torch = require("torch", extra="torch")
    from torch.utils.flop_counter import FlopCounterMode

    from inception_lens.pytorch.build import build

    with torch.device("meta"):
        module = build(graph).eval()
        image = torch.empty(graph.inputs[0].type.shape)

    def count() -> int:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(image)
        return int(counter.get_total_flops())

    return count


def main() -> None:
    """Measure and print."""
    print(f"{'network':<28}{'Inception Lens':>16}{'FlopCounterMode':>18}{'ratio':>9}{'limit':>8}")
    for name in NETWORKS:
        config = find(name).config
        _compare(name, config.graph, repeats=15)
    short = _compare("100 chained modules", lambda: chain(100), repeats=5)
    long = _compare("1,000 chained modules", lambda: chain(1000), repeats=3)
    print(f"\n10 times the modules take {long / short:.1f} times as long")
    _comparison()
    print("\nsavings: the network, without its reductions, and naive")
    for name in ("googlenet", "inception_resnet_v2@timm"):
        _compare(name, find(name).config.graph, 15, _savings, SAVINGS_LIMIT)
    short = _compare("10 chained modules", lambda: chain(10), 9, _savings, SAVINGS_LIMIT)
    long = _compare("1,000 chained modules", lambda: chain(1000), 3, _savings, SAVINGS_LIMIT)
    print(f"\n100 times the modules take {long / short:.0f} times as long")
    _command()


def _totals(graph: Graph) -> object:
    return analyze(graph).totals


def _savings(graph: Graph) -> object:
    return savings({"inference": graph}, kinds_called(DEFAULT_KINDS), machine()).to_builtins()


def _comparison() -> None:
    """Comparing two networks beside one count of one of them, and how the time grows with the length."""
    a, b = (find(name).config.graph() for name in ("inception_resnet_v2", "inception_resnet_v2@timm"))
    count = flop_counter(b)
    count()
    pairs = [(_seconds(lambda: compare(a, b)), _seconds(count)) for _ in range(15)]
    mine, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"\n{'compare inception_resnet_v2 with @timm':<44}{1000 * mine:.1f} ms", end="")
    print(f"{1000 * peer:>15.1f} ms{mine / peer:>9.3f}{COMPARISON_LIMIT:>8}")
    batch_norm = ConvStyle(bias=False, norm=BatchNorm2d())
    short, long = (_twins(n, batch_norm) for n in (100, 1000))
    print(f"1,000 modules against 1,000 that differ in every layer: {long:.2f} s, {long / short:.1f} times 100's")


def _twins(length: int, style: ConvStyle) -> float:
    plain, port = chain(length), chain(length, style, kernel_5x5=3)
    return statistics.median(_seconds(lambda: compare(plain, port)) for _ in range(5))


def _compare(
    name: str,
    build: Callable[[], Graph],
    repeats: int,
    work: Callable[[Graph], object] = _totals,
    limit: float = LIMIT,
) -> float:
    graph = build()
    analysis, count = analyze(graph), flop_counter(graph)
    if 2 * analysis.totals.macs != count():
        raise AssertionError(f"{name}: {2 * analysis.totals.macs} FLOPs here, {count()} by FlopCounterMode")
    ours, peers = [], []
    for _ in range(repeats):
        ours.append(_seconds(lambda: work(build())))
        peers.append(_seconds(count))
    mine, peer = statistics.median(ours), statistics.median(peers)
    print(f"{name:<28}{1000 * mine:>13.2f} ms{1000 * peer:>15.1f} ms{mine / peer:>9.3f}{limit:>8}")
    return mine


def _command() -> None:
    command = [sys.executable, "-m", "inception_lens", "summary", "googlenet"]
    baseline = [sys.executable, "-c", "import torch"]
    pairs = [(_seconds(lambda: _run(command)), _seconds(lambda: _run(baseline))) for _ in range(7)][1:]
    mine, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"`inception-lens summary googlenet` takes {mine:.3f} s, `import torch` {peer:.3f} s: "
        f"ratio {mine / peer:.3f}, limit {COMMAND_LIMIT}"
    )


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
