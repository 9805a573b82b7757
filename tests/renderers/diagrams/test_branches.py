import inception_lens as il
from inception_lens.renderers.diagrams.branches import NO_BRANCH, branches
from inception_lens.renderers.diagrams.grouping import modules
from tests.renderers.models import resnet


def test_the_branches_of_an_inception_module() -> None:
    graph = il.load("googlenet")
    parts = modules(graph)
    found = dict(zip([part.name for part in parts], branches(graph, parts), strict=True))
    module = {
        name: [graph.nodes[i].name.removeprefix("inception_3a/") for i in nodes]
        for name, nodes in found["inception_3a"].items()
    }
    assert module == {
        "1x1": ["1x1", "1x1/relu"],
        "3x3": ["3x3_reduce", "3x3_reduce/relu", "3x3", "3x3/relu"],
        "5x5": ["5x5_reduce", "5x5_reduce/relu", "5x5", "5x5/relu"],
        "pool": ["pool", "pool_proj", "pool_proj/relu"],
        NO_BRANCH: ["output"],
    }
    assert list(found["conv2"]) == [NO_BRANCH]


def test_every_node_is_in_one_branch() -> None:
    for graph in (il.load("inception_v4"), il.load("resnet50"), resnet()):
        parts = modules(graph)
        split = branches(graph, parts)
        for part, found in zip(parts, split, strict=True):
            assert sorted(i for nodes in found.values() for i in nodes) == sorted(part.nodes)


def test_branches_are_named_after_their_kernels() -> None:
    graph = il.load("inception_v3")
    parts = modules(graph)
    names = {part.name: set(found) for part, found in zip(parts, branches(graph, parts), strict=True)}
    assert names["Mixed_6b"] == {"1x1", "1x7 7x1", "7x1 1x7 7x1 1x7", "pool", NO_BRANCH}
