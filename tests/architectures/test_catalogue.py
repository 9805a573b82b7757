import pytest

from inception_lens.architectures.catalogue import entries, find
from inception_lens.errors import UnknownModelError
from inception_lens.graph import Mode

ENTRIES = {entry.name: entry for entry in entries()}


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_every_entry_builds_under_its_name(name: str, mode: Mode) -> None:
    entry = find(name)
    graph = entry.config.graph(mode)
    assert entry.name == name
    assert entry.dialect == name.partition("@")[2]
    assert graph.types[graph.outputs[0].node][0].shape == (1, entry.config.classes)
    assert entry.source
    assert entry.family


def test_names_are_found_in_any_case() -> None:
    assert find("GoogLeNet@Torchvision") is ENTRIES["googlenet@torchvision"]


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownModelError, match="did you mean `googlenet@torchvision`"):
        find("googlenet@torchvison")
