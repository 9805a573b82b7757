"""Calls of constructors in the written file, without the arguments that equal their defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inception_lens.writers.pytorch.expressions import Expression, call, literal
from inception_lens.writers.pytorch.modules import ModuleSpec
from inception_lens.writers.pytorch.templates import (
    OUTPUT_CHANNELS,
    BlockTemplate,
    Channels,
    InputChannels,
    Placeholder,
)

POSITIONAL = ("in_channels", "num_features", "in_features", *OUTPUT_CHANNELS, "kernel_size", "p", "output_size")
"""Arguments that are given without their names, in this order."""

DEFAULTS: dict[str, object] = {
    "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "inplace": False, "ceil_mode": False,
    "return_indices": False, "count_include_pad": True, "eps": 1e-5, "momentum": 0.1, "affine": True,
    "track_running_stats": True, "output_padding": 0, "start_dim": 1, "end_dim": -1,
}  # fmt: skip
"""The defaults of PyTorch's modules, and of the classes in the file."""

OTHER_DEFAULTS = ("nn.InstanceNorm", "nn.RMSNorm")
"""Modules whose defaults differ from `DEFAULTS`: all arguments are written."""


def constructor(function: str, arguments: Mapping[str, str], module: ModuleSpec | None = None) -> Expression:
    """The call of a module's constructor; `module` is left out for a call without optional arguments to keep."""
    keep_all = (module is not None and module.own) or function.startswith(OTHER_DEFAULTS)
    kept = {
        name: text
        for name, text in arguments.items()
        # A pool's stride defaults to its kernel.
        if keep_all or not is_default(name, text) or (name == "stride" and module and "Pool" in module.kind)
    }
    positional = [kept.pop(name) for name in POSITIONAL if name in kept]
    return call(function, *positional, **kept)


def own_constructor(
    template: BlockTemplate, values: Sequence[str], channels: Sequence[str], function: str = ""
) -> Expression:
    """The constructor of a block's own module, or `function` with its arguments."""
    module = template.block.module
    assert module is not None
    arguments = {
        name: values[value.position] if isinstance(value, Placeholder) else channels_text(value, values, channels)
        for name, value in template.arguments.items()
    }
    return constructor(function or (module.kind if module.own else f"nn.{module.kind}"), arguments, module)


def is_default(argument: str, text: str) -> bool:
    """Whether an argument's text is its default."""
    return argument in DEFAULTS and text == literal(DEFAULTS[argument])


def channels_text(terms: Channels, values: Sequence[str], channels: Sequence[str]) -> str:
    """A number of channels as text: a number, or a sum of arguments of the class.

    Args:
        terms: the number.
        values: the text of each placeholder.
        channels: the text of each input's channels.
    """
    texts = []
    for term in terms:
        if isinstance(term, Placeholder):
            texts.append(values[term.position])
        else:
            texts.append(channels[term.input] if isinstance(term, InputChannels) else str(term))
    return str(sum(map(int, texts))) if all(text.isdigit() for text in texts) else " + ".join(texts)


def annotation(value: object) -> str:
    """The type annotation of an argument with this value."""
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(annotation, value))}]"
    return "None" if value is None else type(value).__name__
