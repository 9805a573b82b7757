"""The network's own `state_dict` keys."""

from inception_lens.readers.tensors import WeightFile
from inception_lens.writers.weights.match import StateKeys, TensorMatch


def match(weights: WeightFile, keys: StateKeys) -> list[TensorMatch]:
    """Tensors with the network's own keys, after the prefix that most of them share.

    The keys of an ONNX model that this package writes have the paths of nodes, `inception_3a/1x1.weight`.
    """
    names = {tensor.name.replace("/", "."): tensor.name for tensor in weights.tensors}
    prefixes = ["", *(f"{part}." for part in ("state_dict", "model", "module", "state_dict.module"))]
    prefix = max(prefixes, key=lambda each: sum(name.removeprefix(each) in keys for name in names if each in name))
    own = {name.removeprefix(prefix): given for name, given in names.items()}
    return [TensorMatch(given, *keys[name]) for name, given in own.items() if name in keys]
