import pytest

from inception_lens.analyses.analysis import analyze
from inception_lens.analyses.catalogue import sized
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


@pytest.mark.parametrize("name", [entry.name for entry in entries()])
def test_a_network_has_auxiliary_heads_if_training_has_further_outputs(name: str) -> None:
    config = find(name).config
    assert config.has_auxiliary_heads == (len(config.graph("training").outputs) > 1)


def test_sizes_with_and_without_heads_are_those_of_both_modes() -> None:
    for entry, size in zip(entries(), sized(entries()), strict=True):
        inference, training = (analyze(entry.config.graph(mode)) for mode in ("inference", "training"))
        assert (size.params, size.macs) == (inference.params, inference.macs)
        assert (size.params_with_aux, size.macs_with_aux) == (training.params, training.macs)


def test_a_network_without_auxiliary_heads_costs_the_same_in_training() -> None:
    for config in (entry.config for entry in entries() if not entry.config.has_auxiliary_heads):
        inference, training = (analyze(config.graph(mode)) for mode in ("inference", "training"))
        assert (inference.params, inference.macs) == (training.params, training.macs)
