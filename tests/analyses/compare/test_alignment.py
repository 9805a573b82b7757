"""Series, forks, and the search that pairs them."""

import random
from collections.abc import Sequence

import pytest

from inception_lens.analyses.compare import alignment as compare_align
from inception_lens.analyses.compare import structure as compare_structure
from inception_lens.analyses.compare.alignment import align
from inception_lens.analyses.compare.comparison import compare
from inception_lens.analyses.compare.structure import Fork, ForkTree, KindTable, Leaf, leaves
from inception_lens.architectures.blocks import ConvStyle, InceptionWidths, inception
from inception_lens.architectures.catalogue import entries, find
from inception_lens.graph import Graph, Input, Output, Writer
from inception_lens.ops import BatchNorm2d, Conv2d, TensorType

GRAPHS = {entry.name: entry.config.graph() for entry in entries()}
BATCH_NORM = ConvStyle(bias=False, norm=BatchNorm2d())


def series(graph: Graph, kinds: KindTable | None = None) -> tuple[Leaf | Fork, ...]:
    return ForkTree(graph, range(len(graph.nodes)), kinds or KindTable()).series


def modules(widths: Sequence[int], style: ConvStyle | None = None, kernel_5x5: int = 5) -> Graph:
    """Inception modules, each with its own width of the 1x1 branch."""
    writer, x = Writer([Input("x", TensorType((1, 16, 8, 8)))]), "x"
    for i, width in enumerate(widths):
        x = inception(
            writer, x, f"m{i}", InceptionWidths(width, 6, 8, 4, 8, 4), style or ConvStyle(), kernel_5x5, "ceil"
        )
    return writer.graph([Output(x)])


@pytest.mark.parametrize("name", GRAPHS)
def test_every_call_stands_in_the_tree_once(name: str) -> None:
    graph = GRAPHS[name]
    assert sorted(leaf.node for leaf in leaves(series(graph))) == list(range(len(graph.nodes)))


def test_an_inception_module_is_a_fork_of_four_branches() -> None:
    graph = GRAPHS["googlenet"]
    forks = [item for item in series(graph) if isinstance(item, Fork)]
    assert [len(fork.branches) for fork in forks] == [4] * 9
    assert [graph.nodes[leaf.node].name for leaf in leaves(forks[0].branches[2])] == [
        "inception_3a/5x5_reduce", "inception_3a/5x5_reduce/relu", "inception_3a/5x5", "inception_3a/5x5/relu",
    ]  # fmt: skip


def test_branches_fork_again() -> None:
    forks = [item for item in series(GRAPHS["inception_v3"]) if isinstance(item, Fork)]
    inner = [item for branch in forks[-1].branches for item in branch if isinstance(item, Fork)]
    assert [len(fork.branches) for fork in inner] == [2, 2]


def test_a_shortcut_is_no_fork_and_a_projection_is() -> None:
    for name, forks in (("inception_resnet_v2", None), ("resnet18", 3)):
        found = [item for item in series(GRAPHS[name]) if isinstance(item, Fork)]
        assert all(min(len(branch) for branch in fork.branches) > 0 for fork in found)
        assert forks is None or len(found) == forks


def test_forks_are_equal_in_any_order_of_branches() -> None:
    kinds = KindTable()
    first, second = (series(modules([5]), kinds) for _ in range(2))
    assert [item.kind for item in first] == [item.kind for item in second]
    fork = first[0]
    assert isinstance(fork, Fork)
    assert kinds.fork(fork.branches[::-1], fork.join) == fork.kind


@pytest.mark.parametrize("cells", [4_000_000, 2_000])
def test_dropped_modules_are_the_ones_that_are_missing(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_align, "MAX_CELLS", cells)
    chance = random.Random(0)  # noqa: S311
    widths = [chance.randint(1, 60) for _ in range(60)]
    dropped = {7, 23, 24, 51}
    comparison = compare(
        modules(widths), modules([width for i, width in enumerate(widths) if i not in dropped], BATCH_NORM, 3)
    )
    lacking = {int(name.partition("/")[0][1:]) for name in comparison.trunk.only_a}
    assert lacking == dropped
    assert all(name.endswith("/bn") for name in comparison.trunk.only_b)


def test_a_band_is_as_wide_as_the_lengths_differ_by() -> None:
    kinds = KindTable()
    long, short = series(modules([5] * 400), kinds), series(modules([5] * 90 + [6] * 5, BATCH_NORM), kinds)
    pairs = align(long, short, kinds).pairs
    assert len(pairs) == 95 * 14
    assert sorted(pairs.values()) == sorted(pairs[i] for i in sorted(pairs))


def test_many_branches_are_paired_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_align, "MAX_PAIRS", 5)
    comparison = compare(modules([5]), modules([5], kernel_5x5=3))
    assert all(
        a.replace("5x5/", "") == b.replace("5x5_branch_3x3/", "") or "5x5" in a for a, b in comparison.trunk.pairs
    )


def test_nesting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_structure, "MAX_DEPTH", 0)
    graph = find("inception_v3").config.graph()
    assert not compare(graph, graph).changes
    assert len(compare(graph, find("inception_v3@torchvision").config.graph()).trunk.only_a) == 0


def test_half_the_width_keeps_its_branches() -> None:
    full, half = (find("googlenet").config.replace(width=width).graph() for width in (1.0, 0.5))
    assert all(a == b for a, b in compare(full, half).trunk.pairs)


def test_a_5x5_as_two_3x3_keeps_what_it_can() -> None:
    def branch(*kernels: int) -> Graph:
        writer, x = Writer([Input("x", TensorType((1, 16, 8, 8)))]), "x"
        for i, kernel in enumerate(kernels):
            x = writer.add(f"{i}/{kernel}", Conv2d(12, (kernel, kernel), padding=(kernel // 2, kernel // 2)), x)
        return writer.graph([Output(x)])

    comparison = compare(branch(1, 5, 1), branch(1, 3, 3, 1))
    assert [pair for pair in comparison.trunk.pairs if "5" in pair[0]] == [("1/5", "1/3")]
    assert comparison.trunk.only_b == ("2/3",)
