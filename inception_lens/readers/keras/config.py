"""The configuration of a Keras model: its layers, and the calls that connect them.

Source: keras/src/models/functional.py and sequential.py, `get_config`. Keras 2 writes the tensors of a call as lists,
Keras 3 as `__keras_tensor__` objects with their shapes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.readers.keras.settings import Settings, shape_of

MODELS = ("Functional", "Model", "Sequential")
"""Classes of models whose configuration lists their layers."""

MAX_LAYERS = 20_000
"""Layers of a model, those of nested models included; NASNetLarge has 1,041."""

MAX_DEPTH = 20
"""Models inside each other, and lists of arguments inside each other."""


ATTENTION = {"query": 0, "value": 1, "key": 2}
"""Positions of the tensors of an attention layer, which may be given by name."""


class TensorReference(NamedTuple):
    """An output of a layer's call."""

    layer: str
    call: int
    output: int
    shape: tuple[int | None, ...] | None = None
    """Its shape, unknown sizes None, where the configuration has it."""


LayerCall = tuple[TensorReference, ...]
"""The tensors that a layer is called on."""


class LayerConfig(NamedTuple):
    """A layer, or an operation of `keras.ops`."""

    name: str
    kind: str
    """Its class, such as `Conv2D`."""
    settings: Settings
    calls: tuple[LayerCall, ...]
    """In their order; those of a layer that occurs once in a Sequential are empty."""
    is_operation: bool
    """Whether it is a function of `keras.ops` and not a layer."""
    model: ModelConfig | None
    """The layers of a nested model."""


class ModelConfig(NamedTuple):
    """A functional model, or a Sequential."""

    name: str
    kind: str
    layers: tuple[LayerConfig, ...]
    """In Keras' order."""
    inputs: tuple[TensorReference, ...]
    """Empty for a Sequential."""
    outputs: tuple[TensorReference, ...]
    input_shape: tuple[int | None, ...] | None
    """Of a Sequential, with the batch, where the configuration has it."""


def parse_config(text: bytes | str) -> ModelConfig:
    """Parse the JSON of a model.

    Raises:
        FormatError: it is not JSON, or not the configuration of a functional model or a Sequential.
    """
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the configuration is not valid JSON: {str(error)[:80]}") from None
    kind = found.get("class_name") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(kind, str) or "config" not in found:
        raise FormatError("is not the configuration of a Keras model: it has no `class_name` and `config`")
    model = _ConfigParser().model(found, 0)
    if model is None:
        raise FormatError(f"the model is of the class `{kind[:80]}`, whose layers its configuration does not list")
    return model


class _ConfigParser:
    """Counts the layers of a model while they are parsed."""

    def __init__(self) -> None:
        self.layers = 0

    def model(self, entry: Mapping[str, object], depth: int) -> ModelConfig | None:
        """The model of an entry; None if the entry is a layer, or a model of a class that lists no layers."""
        config = entry.get("config")
        layers = config.get("layers") if isinstance(config, dict) else config  # Keras before 2.2.5 has a list alone
        if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
            return None
        if depth > MAX_DEPTH:
            raise FormatError(f"more than {MAX_DEPTH} models inside each other")
        config = config if isinstance(config, dict) else {}
        is_functional = "output_layers" in config
        names = {_name(layer) for layer in layers} if is_functional else set()
        found = tuple([self.layer(layer, names, depth) for layer in layers])
        shape = None if is_functional else Settings(config).shape("build_input_shape")
        if not is_functional and shape is None and found:
            first = found[0].settings
            shape = first.shape("batch_input_shape") or first.shape("batch_shape")
        kind, outputs = str(entry.get("class_name")), tuple(_references(config.get("output_layers"), names))
        if is_functional and not outputs:
            raise FormatError("the outputs of a model are not among its layers")
        return ModelConfig(
            _name(entry) or kind.lower(),
            kind,
            found,
            tuple(_references(config.get("input_layers"), names)),
            outputs,
            shape,
        )

    def layer(self, entry: Mapping[str, object], names: Collection[str], depth: int) -> LayerConfig:
        self.layers += 1
        if self.layers > MAX_LAYERS:
            raise FormatError(f"more than {MAX_LAYERS:,} layers")
        kind, config, calls = entry.get("class_name"), entry.get("config"), entry.get("inbound_nodes")
        if not isinstance(kind, str) or not isinstance(config, dict | list):
            raise FormatError("a layer has no `class_name` or no `config`")
        module = str(entry.get("module") or "")
        return LayerConfig(
            _name(entry) or kind.lower(),
            kind.rpartition(">")[2],
            Settings(config if isinstance(config, dict) else {}),
            tuple([_call(call, names) for call in calls]) if isinstance(calls, list) else (),
            module.startswith("keras.src.ops"),
            self.model(entry, depth + 1),
        )


def _name(entry: Mapping[str, object]) -> str:
    config = entry.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    name = entry.get("name", inner)
    return name if isinstance(name, str) else ""


def _call(node: object, names: Collection[str]) -> LayerCall:
    """A call in Keras 3's form, a mapping, or in that of Keras 2, a list of tensors with named arguments."""
    if isinstance(node, dict):
        positional, named = node.get("args"), node.get("kwargs")
        named = named if isinstance(named, dict) else {}
    else:
        positional, named = node, {}
        for entry in node if isinstance(node, list) and _reference(node, names) is None else [node]:
            match entry:
                case [str(), int(), _, dict(more)]:
                    named = {**named, **more}
    positional = positional if isinstance(positional, list) and _reference(positional, names) is None else [positional]
    tensors = [*_references(positional, names)]
    for name in sorted(named, key=lambda name: ATTENTION.get(name, 0)):
        tensors += _references(named[name], names)
    return tuple(tensors)


def _references(value: object, names: Collection[str], depth: int = 0) -> Iterator[TensorReference]:
    """The tensors in a structure of lists and mappings, in their order."""
    if depth > MAX_DEPTH:
        raise FormatError(f"arguments of a call are more than {MAX_DEPTH} lists inside each other")
    found = _reference(value, names)
    if found is not None:
        yield found
    elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        config = config if isinstance(config, dict) else {}
        found = _reference(config.get("keras_history"), names)
        if found is None:
            raise FormatError("a tensor of a call names no layer of the model")
        shape = config.get("shape")
        yield found if shape is None else found._replace(shape=shape_of("shape", shape))
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _references(each, names, depth + 1)


def _reference(value: object, names: Collection[str]) -> TensorReference | None:
    match value:
        case [str(layer), int(call), int(output), *_] if layer in names:
            return TensorReference(layer, call, output)
    return None
