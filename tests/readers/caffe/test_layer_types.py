"""Caffe's layer types: every old spelling has a current one that the reader handles."""

from inception_lens.readers.caffe.inputs import DATA_LAYERS
from inception_lens.readers.caffe.layer_types import V0_TYPES, V1_NUMBERS, V1_TYPES
from inception_lens.readers.caffe.prototxt import HANDLERS, IGNORED


def test_old_spellings_have_a_current_one() -> None:
    for current in {*V1_TYPES.values(), *V0_TYPES.values()} - {"Im2col", "padding"}:
        assert current in {*HANDLERS, *DATA_LAYERS, *IGNORED} or current.endswith("Loss")


def test_v1_is_the_current_spelling_in_capitals() -> None:
    assert sorted(V1_NUMBERS) == [*range(1, 40)]
    assert list(V1_NUMBERS.values()) == list(V1_TYPES.values())
    differing = {name for name, current in V1_TYPES.items() if name.replace("_", "") != current.upper()}
    assert differing == {"SOFTMAX_LOSS"}


def test_v0_is_the_current_spelling_in_lower_case() -> None:
    differing = {name: kind for name, kind in V0_TYPES.items() if name.replace("_", "") != kind.lower()}
    assert differing == {
        "conv": "Convolution", "images": "ImageData", "pool": "Pooling", "softmax_loss": "SoftmaxWithLoss",
    }  # fmt: skip
