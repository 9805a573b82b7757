"""The layers of a Caffe net in its current spelling, and which of them a phase includes.

`layer` is the current spelling, `layers` with types in capitals is V1, and `layers { layer { } }` is V0. The upgrades
are those of BVLC Caffe's `util/upgrade_proto.cpp`, the selection is that of `Net::FilterNet` in `net.cpp`.
"""

from collections.abc import Collection
from typing import NamedTuple

from inception_lens.errors import FormatError, suggest
from inception_lens.graph import Mode
from inception_lens.ops import Shape
from inception_lens.readers.caffe.layer_types import V0_TYPES, V1_TYPES
from inception_lens.readers.caffe.message import TextField, TextMessage
from inception_lens.readers.tensors import check_shape

V0_FIELDS = {"biasterm": "bias_term", "kernelsize": "kernel_size", "cropsize": "crop_size", "batchsize": "batch_size"}
V0_MESSAGES = (
    "convolution_param", "inner_product_param", "pooling_param", "lrn_param", "dropout_param", "concat_param",
    "transform_param", "image_data_param",
)  # fmt: skip
"""Messages that got V0's fields: V0 keeps all fields of a layer in one message, so each of these gets all of them."""


class NetState(NamedTuple):
    """Caffe's `NetState` without the phase, which is the mode: what selects the layers of a file with several nets."""

    stages: tuple[str, ...] = ()
    level: int = 0


class CaffeLayer(NamedTuple):
    """One layer, its type and fields in the current spelling."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    """Names of the blobs that it reads."""
    tops: tuple[str, ...]
    """Names of the blobs that it writes."""
    fields: TextMessage
    line: int

    def parameters(self, name: str) -> TextMessage:
        """The message of that name, such as `convolution_param`; empty if there is none."""
        return self.fields.message(name)

    def blob_shapes(self) -> list[Shape]:
        """The shapes of its tensors, in their order; only the layers of a .caffemodel have them."""
        shapes = []
        for blob in self.fields.messages("blobs"):
            sizes = blob.message("shape").integers("dim") if "shape" in blob else []
            legacy = [blob.integer(name, 0) for name in ("num", "channels", "height", "width") if name in blob]
            shapes.append(check_shape(self.name, tuple(sizes or legacy)))
        return shapes

    def learning_rates(self) -> list[float]:
        """Multipliers of its tensors' learning rates, in their order, as far as they are given."""
        if v1 := self.fields.numbers("blobs_lr"):
            return v1
        params = [field.value for field in self.fields.all("param")]
        return [each.number("lr_mult", 1.0) for each in params if isinstance(each, TextMessage)]

    def shared_names(self) -> list[str]:
        """Names under which its tensors are shared, in their order, as far as they are given; V1 has no message."""
        return [
            field.value.text("name") if isinstance(field.value, TextMessage) else field.value
            for field in self.fields.all("param")
        ]


def read_layers(net: TextMessage, mode: Mode, chosen: NetState) -> list[CaffeLayer]:
    """The layers that are included at a phase, level and stages; the net's own `state` adds to those.

    Raises:
        FormatError: there are no layers, or one has no name, no type or an unknown type.
    """
    state = net.message("state")
    phase = "TRAIN" if mode == "training" else "TEST"
    stages, level = {*chosen.stages, *state.texts("stage")}, state.integer("level", chosen.level, -(2**31))
    current, old = net.messages("layer"), net.messages("layers")
    if not current and not old:
        raise FormatError(f"has no `layer`; a Caffe net is a list of layers{_hint(net)}", line=net.line)
    found = [_layer(message) for message in current] + [_old_layer(message) for message in old]
    return _without_padding([layer for layer in found if _is_included(layer, phase, stages, level)])


def required_stages(net: TextMessage) -> set[str]:
    """The stages that the rules of the layers name."""
    layers = (*net.messages("layer"), *net.messages("layers"))
    rules = [rule for layer in layers for name in ("include", "exclude") for rule in layer.messages(name)]
    return {stage for rule in rules for stage in rule.texts("stage")}


def _hint(net: TextMessage) -> str:
    names = {field.name for field in net.fields}
    if names & {"base_lr", "net", "train_net", "solver_mode"}:
        return "; this is a solver file, whose `net` names the file of the net"
    return suggest("layer", names)


def _layer(message: TextMessage) -> CaffeLayer:
    kind = message.text("type")
    name = message.text("name", kind)
    if not kind:
        raise FormatError(f"layer `{name}` has no `type`", line=message.line)
    return CaffeLayer(name, kind, tuple(message.texts("bottom")), tuple(message.texts("top")), message, message.line)


def _old_layer(message: TextMessage) -> CaffeLayer:
    """A layer in V1's or V0's spelling."""
    inner = message.messages("layer")
    types = V0_TYPES if inner else V1_TYPES
    fields = inner[0] if inner else message
    kind = fields.text("type")
    name = fields.text("name", kind)
    if kind in V1_TYPES.values() and kind not in types:
        raise FormatError(f"`{name}` has type `{kind}`, which goes with `layer`, not `layers`", line=message.line)
    if kind not in types:
        raise FormatError(f"`{name}` has an unknown type `{kind}`{suggest(kind, types)}", line=message.line)
    if inner:
        renamed = [field._replace(name=V0_FIELDS.get(field.name, field.name)) for field in fields.fields]
        nested = [TextField(each, TextMessage(each, fields.line, renamed), fields.line) for each in V0_MESSAGES]
        rules = [field for field in message.fields if field.name in ("include", "exclude")]
        fields = TextMessage("layer", fields.line, [*renamed, *nested, *rules])
    bottoms, tops = tuple(message.texts("bottom")), tuple(message.texts("top"))
    return CaffeLayer(name, types[kind], bottoms, tops, fields, message.line)


def _is_included(layer: CaffeLayer, phase: str, stages: Collection[str], level: int) -> bool:
    """Whether any of its `include` rules is met, or none of its `exclude` rules."""
    include, exclude = layer.fields.messages("include"), layer.fields.messages("exclude")
    if include and exclude:
        raise FormatError(f"`{layer.name}` has both `include` and `exclude` rules", line=layer.line)
    if include:
        return any(_is_met(rule, phase, stages, level) for rule in include)
    return not any(_is_met(rule, phase, stages, level) for rule in exclude)


def _is_met(rule: TextMessage, phase: str, stages: Collection[str], level: int) -> bool:
    if "phase" in rule and rule.choice("phase", ("TRAIN", "TEST")) != phase:
        return False
    lowest, highest = rule.integer("min_level", level, -(2**31)), rule.integer("max_level", level, -(2**31))
    wanted, unwanted = set(rule.texts("stage")), set(rule.texts("not_stage"))
    return lowest <= level <= highest and wanted <= set(stages) and not unwanted & set(stages)


def _without_padding(layers: list[CaffeLayer]) -> list[CaffeLayer]:
    """Remove V0's padding layers; their `pad` goes to the convolutions and pools that read them."""
    padding = {layer.tops[0]: layer for layer in layers if layer.type == "padding" and layer.tops and layer.bottoms}
    return [
        _padded(layer, padding[layer.bottoms[0]]) if layer.bottoms and layer.bottoms[0] in padding else layer
        for layer in layers
        if layer.type != "padding"
    ]


def _padded(layer: CaffeLayer, padding: CaffeLayer) -> CaffeLayer:
    pad = padding.fields.all("pad")
    fields = [
        field._replace(
            value=TextMessage(field.name, field.line, [*(f for f in field.value.fields if f.name != "pad"), *pad])
        )
        if isinstance(field.value, TextMessage) and field.name in ("convolution_param", "pooling_param")
        else field
        for field in layer.fields.fields
    ]
    bottoms = (padding.bottoms[0], *layer.bottoms[1:])
    return layer._replace(bottoms=bottoms, fields=TextMessage("layer", layer.line, fields))
