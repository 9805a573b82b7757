"""A network and a dataset so small that a run takes a second."""

from pathlib import Path
from typing import Any

import numpy as np

CLASSES = 4
RECIPE = """
model = "googlenet"
data = "npz:{data}"
epochs = 3
batch = 16

[network]
width = 0.06
input = "3x16x16"
norm = "batch"
bias = false
aux = "inception_3a"
stem = {{ kind = "conv-conv-pool" }}
aux_head = {{ pool = "adaptive", pool_size = 1, fc = 64 }}

[network.modules]
inception_3b = "none"
inception_4a = "none"
inception_4b = "none"
inception_4c = "none"
inception_4d = "none"
inception_4e = "none"
inception_5a = "none"
inception_5b = "none"

[augmentation]
crop = "none"
shift = 1

[optimizer]
learning_rate = 0.05

[engine]
check_every = 1
"""


def arrays(count: int = 96) -> tuple[Any, Any]:
    """Dark noise; the class is the colour channel that is brighter, or none."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 90, (count, 16, 16, 3), dtype=np.uint8)
    labels = np.arange(count) % CLASSES
    for image, label in zip(images, labels, strict=True):
        image[..., label : label + 1] += 120
    return images, labels.astype(np.uint8)


def write_data(path: Path) -> Path:
    """Write the images as a NumPy archive; two thirds are training images."""
    images, labels = arrays()
    np.savez(path, x_train=images[:64], y_train=labels[:64], x_test=images[64:], y_test=labels[64:])
    return path


def write_recipe(path: Path, data: Path) -> Path:
    """Write the recipe of a run on the dataset."""
    path.write_text(RECIPE.format(data=data))
    return path
