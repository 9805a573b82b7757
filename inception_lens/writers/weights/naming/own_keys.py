"""The network's own `state_dict` keys, and those of torchvision and timm for the networks that they have."""

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

from inception_lens.readers.tensors import WeightFile
from inception_lens.writers.weights.match import StateKeys, TensorMatch
from inception_lens.writers.weights.naming.ports import PORTS, port_names

Target = TypeVar("Target")

MAX_PREFIX_PARTS = 3
"""Parts of a prefix that all names share, such as `state_dict.module.`."""


def match(weights: WeightFile, keys: StateKeys) -> list[TensorMatch]:
    """Tensors with the keys that most of them have, after the prefix that most of them share.

    The keys of an ONNX model that this package writes have the paths of nodes, `inception_3a/1x1.weight`.
    """
    given = {tensor.name.replace("/", "."): tensor.name for tensor in weights.tensors}
    tables = [{key: key for key in keys}, *(port_names(port, keys) for port in PORTS)]
    found = [names_after_prefix(given, {theirs: own for own, theirs in table.items()}) for table in tables]
    best = max(found, key=len)
    return [TensorMatch(name, *keys[own]) for name, own in best.items()]


def names_after_prefix(given: Mapping[str, str], table: Mapping[str, Target]) -> dict[str, Target]:
    """The values of `table` by the names in the file, after the prefix with which most of these are its keys.

    `given` has the names in the file by their form with dots alone.
    """
    counts: Counter[str] = Counter({"": 0})
    for name in given:
        parts = name.split(".")
        for n in range(min(MAX_PREFIX_PARTS + 1, len(parts))):
            if ".".join(parts[n:]) in table:
                counts["".join(f"{part}." for part in parts[:n])] += 1
    prefix = counts.most_common(1)[0][0]
    without = {name.removeprefix(prefix): file for name, file in given.items() if name.startswith(prefix)}
    return {file: table[name] for name, file in without.items() if name in table}
