"""The layers of a Caffe net in one form, whichever of its three spellings a file uses, and which of them are in.

`layer` is the current one; `layers` with types in capitals is what caffe.proto calls V1, and `layers { layer { } }` V0.
The upgrades are those of Caffe's `util/upgrade_proto.cpp`.
"""

from collections.abc import Collection
from typing import NamedTuple

from inception_lens.errors import FormatError, suggest
from inception_lens.graph import Mode
from inception_lens.readers.caffe.text_format import TextField, TextMessage

PHASES = ("TRAIN", "TEST")

V1_TYPES = {
    "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL", "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution", "DATA": "Data",
    "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData", "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss", "EXP": "Exp", "FLATTEN": "Flatten", "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output", "HINGE_LOSS": "HingeLoss", "IM2COL": "Im2col", "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN", "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss", "MVN": "MVN", "POOLING": "Pooling", "POWER": "Power",
    "RELU": "ReLU", "SIGMOID": "Sigmoid", "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence", "SLICE": "Slice", "SOFTMAX": "Softmax", "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split",
    "TANH": "TanH", "THRESHOLD": "Threshold", "WINDOW_DATA": "WindowData",
}  # fmt: skip

V0_TYPES = {
    "accuracy": "Accuracy", "bnll": "BNLL", "concat": "Concat", "conv": "Convolution", "data": "Data",
    "dropout": "Dropout", "euclidean_loss": "EuclideanLoss", "flatten": "Flatten", "hdf5_data": "HDF5Data",
    "hdf5_output": "HDF5Output", "im2col": "Im2col", "images": "ImageData", "infogain_loss": "InfogainLoss",
    "innerproduct": "InnerProduct", "lrn": "LRN", "multinomial_logistic_loss": "MultinomialLogisticLoss",
    "padding": "padding", "pool": "Pooling", "relu": "ReLU", "sigmoid": "Sigmoid", "softmax": "Softmax",
    "softmax_loss": "SoftmaxWithLoss", "split": "Split", "tanh": "TanH", "window_data": "WindowData",
}  # fmt: skip

V0_FIELDS = {"biasterm": "bias_term", "kernelsize": "kernel_size", "cropsize": "crop_size", "batchsize": "batch_size"}
V0_MESSAGES = (
    "convolution_param", "inner_product_param", "pooling_param", "lrn_param", "dropout_param", "concat_param",
    "transform_param", "image_data_param",
)  # fmt: skip
"""V0 keeps all of a layer's fields in one place; nothing is lost by giving each of these messages all of them."""


class CaffeLayer(NamedTuple):
    """One layer, its type in the current spelling."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    fields: TextMessage
    line: int

    def parameters(self, name: str) -> TextMessage:
        """The message of that name, such as `convolution_param`; an error names the layer."""
        found = self.fields.message(name)
        found.name = f"`{self.name}` ({self.type})"
        return found

    def learning_rates(self) -> list[float]:
        """The multipliers of its tensors' learning rates, in their order, where they are given."""
        if v1 := self.fields.numbers("blobs_lr"):
            return v1
        return [each.number("lr_mult", 1.0) for each in self.shared()]

    def shared(self) -> list[TextMessage]:
        """What is said of each of its tensors, in the current spelling."""
        return [field.value for field in self.fields.all("param") if isinstance(field.value, TextMessage)]

    def shared_names(self) -> list[str]:
        """The names by which its tensors are shared with other layers, where they are given."""
        return [
            field.value.text("name") if isinstance(field.value, TextMessage) else field.value
            for field in self.fields.all("param")
        ]


def layers_of(net: TextMessage, mode: Mode, stages: Collection[str] = (), level: int = 0) -> list[CaffeLayer]:
    """The layers that are in at a phase, a level and stages, those that the net's own `state` names among them.

    Raises:
        FormatError: the file holds no layers, or one has no name or type, or one of no kind.
    """
    state = net.message("state")
    phase = PHASES[0] if mode == "training" else PHASES[1]
    stages, level = {*stages, *state.texts("stage")}, state.integer("level", level, -(2**31))
    current, old = net.messages("layer"), net.messages("layers")
    if not current and not old:
        raise FormatError(f"it has no `layer`: a Caffe net is a list of them{_hint(net)}", line=net.line)
    found = [_layer(message) for message in current] + [_old_layer(message) for message in old]
    kept = [layer for layer in found if _is_in(layer.fields, phase, stages, level)]
    return _without_padding_layers(kept)


def stages_of(net: TextMessage) -> set[str]:
    """The stages that the rules of its layers ask for."""
    rules = [
        rule
        for layer in (*net.messages("layer"), *net.messages("layers"))
        for name in ("include", "exclude")
        for rule in layer.messages(name)
    ]
    return {stage for rule in rules for stage in rule.texts("stage")}


def _hint(net: TextMessage) -> str:
    names = {field.name for field in net.fields}
    if names & {"base_lr", "net", "train_net", "solver_mode"}:
        return "; this is a solver's file, and its `net` names the net's"
    return suggest("layer", names)


def _layer(message: TextMessage) -> CaffeLayer:
    type_ = message.text("type")
    name = message.text("name", type_)
    if not type_:
        raise FormatError(f"the layer `{name}` has no `type`", line=message.line)
    return CaffeLayer(name, type_, tuple(message.texts("bottom")), tuple(message.texts("top")), message, message.line)


def _old_layer(message: TextMessage) -> CaffeLayer:
    inner = message.messages("layer")
    types = V0_TYPES if inner else V1_TYPES
    fields = inner[0] if inner else message
    written = fields.text("type")
    name = fields.text("name", written)
    if written not in types:
        if written in V1_TYPES.values():
            raise FormatError(f"`{name}` is a `{written}`: types of that spelling go with `layer`", line=message.line)
        raise FormatError(f"`{name}`: `{written}` is no type{suggest(written, types)}", line=message.line)
    if inner:
        renamed = [field._replace(name=V0_FIELDS.get(field.name, field.name)) for field in fields.fields]
        nested = [TextField(each, TextMessage(each, fields.line, renamed), fields.line) for each in V0_MESSAGES]
        rules = [field for field in message.fields if field.name in ("include", "exclude")]
        fields = TextMessage("layer", fields.line, [*renamed, *nested, *rules])
    bottoms, tops = tuple(message.texts("bottom")), tuple(message.texts("top"))
    return CaffeLayer(name, types[written], bottoms, tops, fields, message.line)


def _is_in(layer: TextMessage, phase: str, stages: Collection[str], level: int) -> bool:
    """Whether Caffe's `Net::FilterNet` keeps the layer: any of its `include` rules is met, or no `exclude` rule."""
    include, exclude = layer.messages("include"), layer.messages("exclude")
    if include and exclude:
        raise FormatError("a layer has rules to `include` or to `exclude` it, not both", line=layer.line)
    if include:
        return any(_meets(rule, phase, stages, level) for rule in include)
    return not any(_meets(rule, phase, stages, level) for rule in exclude)


def _meets(rule: TextMessage, phase: str, stages: Collection[str], level: int) -> bool:
    if "phase" in rule and rule.choice("phase", PHASES) != phase:
        return False
    lowest, highest = rule.integer("min_level", level, -(2**31)), rule.integer("max_level", level, -(2**31))
    wanted, unwanted = set(rule.texts("stage")), set(rule.texts("not_stage"))
    return lowest <= level <= highest and wanted <= set(stages) and not unwanted & set(stages)


def _without_padding_layers(layers: list[CaffeLayer]) -> list[CaffeLayer]:
    """V0 pads in a layer of its own; its number goes to the convolutions and pools that read it."""
    padding = {layer.tops[0]: layer for layer in layers if layer.type == "padding" and layer.tops and layer.bottoms}
    if not padding:
        return layers
    kept = []
    for layer in layers:
        source = padding.get(layer.bottoms[0]) if layer.bottoms else None
        if layer.type == "padding":
            continue
        if source is None:
            kept.append(layer)
            continue
        pad = source.fields.all("pad")
        fields = [
            TextField(field.name, TextMessage(field.name, field.line, [*field.value.fields, *pad]), field.line)
            if isinstance(field.value, TextMessage) and field.name in ("convolution_param", "pooling_param")
            else field
            for field in layer.fields.fields
        ]
        bottoms = (source.bottoms[0], *layer.bottoms[1:])
        kept.append(layer._replace(bottoms=bottoms, fields=TextMessage("layer", layer.line, fields)))
    return kept
