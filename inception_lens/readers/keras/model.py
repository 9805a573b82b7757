"""Keras models: a .keras archive, the .h5 of a model, or the JSON of `model.to_json()`, to a Graph.

Read: functional models and Sequential of Keras 2 and 3, models inside models, layers that are called several times, and
the layers in HANDLERS with the semantics of keras/src/layers. Any other layer, such as a Lambda, is an Unknown; Keras 3
saves the shape of its output with the layer that reads it. Code in a file, such as that of a Lambda, is never run.
Subclassed models are not read: their configuration has no layers. Limits: MAX_STEPS, and those of `config.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from inception_lens.errors import FormatError, suggest
from inception_lens.graph import Graph, Input, Metadata, Mode, Output
from inception_lens.ops import BYTES_PER_ELEMENT, Reshape, Shape, TensorType, format_shape
from inception_lens.readers.files import display_path, errors_in, errors_of
from inception_lens.readers.keras import activations, convolution, merging, normalization, reshaping, sequences
from inception_lens.readers.keras.archive import config_text
from inception_lens.readers.keras.config import LayerCall, LayerConfig, ModelConfig, TensorReference, parse_config
from inception_lens.readers.keras.graph_builder import Handlers, KerasCall, KerasGraphBuilder, KerasTensor, moved_shape

HANDLERS: Handlers = {
    **activations.HANDLERS, **convolution.HANDLERS, **merging.HANDLERS, **normalization.HANDLERS,
    **reshaping.HANDLERS, **sequences.HANDLERS,
}  # fmt: skip
"""By the class of the layer."""

WITHOUT_PARAMETERS = {*activations.LAYERS, *merging.HANDLERS, *reshaping.HANDLERS, "Activation", "Lambda"}
"""Classes of layers that have none, whatever their input is; the code of a Lambda cannot have any."""


def read_keras_model(path: str, inputs: Mapping[str, Shape] | Shape | None = None, mode: Mode = "inference") -> Graph:
    """Read a Keras model.

    Args:
        path: the file.
        inputs: shapes of the inputs, by name or of the first one, with the batch, and of images with the channels after
            it; where these do not fit the file, in Keras' own order.
        mode: in training, layers of noise and random images are unknown.

    Raises:
        FormatError: the file holds no model, Keras would refuse it, or the size of an input is unknown.
        MissingExtraError: the file is an .h5, and h5py is not installed.
    """
    text = config_text(path)
    with errors_in(path):
        graph = _ModelReader(parse_config(text), mode).graph(inputs)
    return msgspec.structs.replace(graph, metadata=Metadata(graph.name, display_path(path), "keras"))


class _ModelReader:
    """Reads one model, and counts what it expands."""

    def __init__(self, model: ModelConfig, mode: Mode) -> None:
        self.model = model
        self.mode: Mode = mode

    def graph(self, given: Mapping[str, Shape] | Shape | None) -> Graph:
        """The Graph for inputs of the given shapes; the file's own sizes decide which weights it has."""
        declared = _inputs(self.model, given)
        has_images = not _has_channels_first(self.model)
        shapes = _input_shapes(declared, given)
        inputs, tensors, other = [], [], {}
        for name, (sizes, dtype) in declared.items():
            is_image = len(sizes) > 3 and has_images
            shape = _resolved(name, sizes, shapes.get(name), is_image=is_image)
            own = (shape[0], *[size or found for size, found in zip(sizes[1:], shape[1:], strict=True)])
            inputs.append(Input(name, TensorType(moved_shape(own) if is_image else own, dtype)))
            tensors.append(KerasTensor(name, is_image))
            other[name] = TensorType(moved_shape(shape) if is_image else shape, dtype)
        self.builder = KerasGraphBuilder(inputs)
        outputs = self.read(self.model, "", tensors)
        if not self.builder.first_calls:  # every layer returns its input, and a Graph has at least one call
            whole = Reshape((-1, *self.builder.writer.shape(outputs[0].node)[1:]))
            outputs = [KerasTensor(self.builder.writer.add("identity", whole, outputs[0].node))]
        found = dict.fromkeys(Output(x.node) for x in outputs)
        graph = self.builder.writer.graph(found, self.mode, Metadata(self.model.name, "", "keras"))
        return msgspec.structs.replace(graph, frozen=frozenset(self.builder.frozen)).with_inputs(other)

    def read(self, model: ModelConfig, path: str, inputs: Sequence[KerasTensor]) -> list[KerasTensor]:
        """The outputs of a model that is called on inputs."""
        if not model.outputs:
            return self.read_sequence(model, path, inputs)
        found: dict[tuple[str, int], list[KerasTensor]] = {}
        for reference, tensor in zip(model.inputs, inputs, strict=False):
            found[reference.layer, reference.call] = [tensor]
        firsts = _first_calls(model)
        calls = [(layer, i + firsts[layer.name], call) for layer in model.layers for i, call in enumerate(layer.calls)]
        counts = _output_types(model)
        waiting: dict[tuple[str, int], list[tuple[LayerConfig, int, LayerCall]]] = {}
        ready = calls[::-1]
        while ready:
            layer, number, call = ready.pop()
            if (layer.name, number) in found:
                continue
            missing = next(((x.layer, x.call) for x in call if (x.layer, x.call) not in found), None)
            if missing is not None:
                waiting.setdefault(missing, []).append((layer, number, call))
                continue
            tensors = [_output(found, x) for x in call]
            declared = counts.get((layer.name, number), {})
            found[layer.name, number] = self.call(layer, path, tensors, declared)
            ready += reversed(waiting.pop((layer.name, number), []))
        return [_output(found, reference) for reference in model.outputs]

    def read_sequence(self, model: ModelConfig, path: str, inputs: Sequence[KerasTensor]) -> list[KerasTensor]:
        for layer in model.layers:
            if layer.kind != "InputLayer":
                inputs = self.call(layer, path, inputs[:1], {})
        return list(inputs)

    def call(
        self,
        layer: LayerConfig,
        path: str,
        inputs: Sequence[KerasTensor],
        declared: Mapping[int, tuple[int | None, ...] | None],
    ) -> list[KerasTensor]:
        """The outputs of a call of a layer; `declared` are the shapes of its outputs in the configuration."""
        self.builder.step()
        path = f"{path}/{layer.name}" if path else layer.name
        if layer.model is not None:
            return self.read(layer.model, path, inputs)
        batch = self.builder.writer.shape(inputs[0].node)[:1] if inputs else ()
        types = [self.declared_type(declared.get(i), batch) for i in range(max(declared, default=0) + 1)]
        made = KerasCall(path, layer, tuple(inputs), tuple(types), self.mode)
        handlers = merging.OPERATION_HANDLERS if layer.is_operation else HANDLERS
        handler = handlers.get(layer.kind)
        with errors_of(path, layer.kind):
            if handler is None or any(x.node in self.builder.unknown_outputs for x in inputs):
                return self.builder.unknown(made, params_known=layer.is_operation or layer.kind in WITHOUT_PARAMETERS)
            return handler(self.builder, made)

    @staticmethod
    def declared_type(shape: tuple[int | None, ...] | None, batch: Shape) -> TensorType | None:
        """The type of an output by its shape in the configuration."""
        if not shape or None in shape[1:]:
            return None
        sizes = [size for size in shape[1:] if size is not None]
        return TensorType((*(batch or (1,)), *sizes)) if all(size > 0 for size in sizes) else None


def _output(found: Mapping[tuple[str, int], Sequence[KerasTensor]], reference: TensorReference) -> KerasTensor:
    outputs = found.get((reference.layer, reference.call), ())
    if not 0 <= reference.output < len(outputs):
        raise FormatError(f"output {reference.output} of call {reference.call} of `{reference.layer}` does not exist")
    return outputs[reference.output]


def _first_calls(model: ModelConfig) -> dict[str, int]:
    """The number of each layer's first call: 1 for a nested model, which Keras calls once while it is built."""
    references = [*model.outputs, *(x for layer in model.layers for call in layer.calls for x in call)]
    numbers: dict[str, set[int]] = {}
    for reference in references:
        numbers.setdefault(reference.layer, set()).add(reference.call)
    return {
        layer.name: int(layer.model is not None and 0 not in numbers.get(layer.name, {0})) for layer in model.layers
    }


def _output_types(model: ModelConfig) -> dict[tuple[str, int], dict[int, tuple[int | None, ...] | None]]:
    """The shapes of the outputs of each call, as far as calls that read them have them."""
    found: dict[tuple[str, int], dict[int, tuple[int | None, ...] | None]] = {}
    for reference in (*model.outputs, *(x for layer in model.layers for call in layer.calls for x in call)):
        if 0 <= reference.output < 100:
            outputs = found.setdefault((reference.layer, reference.call), {})
            outputs[reference.output] = outputs.get(reference.output) or reference.shape
    return found


Declaration = tuple[tuple[int | None, ...], str]
"""Shape, unknown sizes None, and dtype of an input."""


def _inputs(model: ModelConfig, given: Mapping[str, Shape] | Shape | None) -> dict[str, Declaration]:
    """The inputs of a model by their names; a Sequential may leave the shape of its own to the caller.

    Raises:
        FormatError: the shape of an input is unknown.
    """
    layers = {layer.name: layer for layer in model.layers}
    if not model.outputs:
        first = next(iter(model.layers), None)
        if first is None:
            raise FormatError("the model has no layers")
        name = first.name if first.kind == "InputLayer" else "input"
        shape = model.input_shape
        if shape is None and first.model is not None:
            shape = next(iter(_inputs(first.model, given).values()))[0]
        if shape is None and given:
            shape = (None,) * len(next(iter(given.values())) if isinstance(given, Mapping) else given)
        if shape is None:
            raise FormatError("the shape of its input is unknown: give it, such as --input 1x3x224x224")
        return {name: (shape, _dtype(first))}
    found: dict[str, Declaration] = {}
    for reference in model.inputs:
        layer = layers[reference.layer]
        shape = layer.settings.shape("batch_shape") or layer.settings.shape("batch_input_shape")
        if shape is None:
            raise FormatError(f"`{layer.name}` is an input without a shape")
        found[layer.name] = (shape, _dtype(layer))
    return found


def _dtype(layer: LayerConfig) -> str:
    dtype = layer.settings.values.get("dtype") if layer.kind == "InputLayer" else None
    return dtype if isinstance(dtype, str) and dtype in BYTES_PER_ELEMENT else "float32"


def _has_channels_first(model: ModelConfig) -> bool:
    return any(
        _has_channels_first(layer.model)
        if layer.model
        else layer.settings.values.get("data_format") == "channels_first"
        for layer in model.layers
    )


def _input_shapes(
    declared: Mapping[str, Declaration], given: Mapping[str, Shape] | Shape | None
) -> Mapping[str, Shape]:
    if given is None:
        return {}
    given = given if isinstance(given, Mapping) else {next(iter(declared)): given}
    if unknown := sorted(set(given) - set(declared)):
        raise FormatError(f"has no input `{unknown[0]}`{suggest(unknown[0], declared)}")
    return given


def _resolved(name: str, declared: tuple[int | None, ...], given: Shape | None, *, is_image: bool) -> Shape:
    """The shape of an input in Keras' order; the batch is 1 unless it is given.

    Raises:
        FormatError: a size is unknown, or a given one differs from the file's.
    """
    if given is None:
        if None in declared[1:]:
            sizes = "x".join("?" if size is None else str(size) for size in declared[1:])
            raise FormatError(f"the input `{name}` is {sizes}: give its shape, such as --input {name}=1x3x224x224")
        return (1, *[size for size in declared[1:] if size is not None])
    given = (1, *given) if len(given) == len(declared) - 1 else given
    orders = [(given[0], *given[2:], given[1]), given] if is_image and len(given) > 2 else [given]
    for shape in orders:
        if len(shape) == len(declared) and all(a in (None, b) for a, b in zip(declared[1:], shape[1:], strict=True)):
            return shape
    for shape in orders:  # other sizes than the file's
        if len(shape) == len(declared) and (not is_image or declared[-1:] in ((None,), shape[-1:])):
            return shape
    raise FormatError(f"the input `{name}` is {format_shape(given)}, which does not fit the file's {declared}")
