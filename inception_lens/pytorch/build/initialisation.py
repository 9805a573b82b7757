"""The initial weights of each port.

Batch norms start with scale 1 and shift 0 in all of them, as in PyTorch. Layers that a port does not initialise itself
keep PyTorch's initialisation.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import init

Draw = Callable[[Tensor], object]
"""Fills a weight, whose first axis is that of output channels, with random numbers."""


class Scheme(NamedTuple):
    """The initial weights and biases of convolutions and linear layers; None keeps PyTorch's."""

    conv: Draw | None = None
    linear: Draw | None = None
    conv_bias: float | None = None
    linear_bias: float | None = None
    special: tuple[tuple[str, Draw | None, float | None], ...] = ()
    """Patterns of layers' paths, and the weight and bias that these layers have instead."""


def initialise(network: nn.Module, scheme: str) -> None:
    """Initialise a network as the port `scheme`, a name of the catalogue; a name without a row keeps PyTorch's weights.

    Tensors on the meta device have no values, and are left alone.
    """
    if scheme not in SCHEMES:
        return
    rule = SCHEMES[scheme]
    for path, layer in network.named_modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear) or layer.weight.is_meta:
            continue
        conv = isinstance(layer, nn.Conv2d)
        draw, bias = (rule.conv, rule.conv_bias) if conv else (rule.linear, rule.linear_bias)
        for pattern, special_draw, special_bias in rule.special:
            if re.search(pattern, path):
                draw, bias = special_draw, special_bias
        if draw is not None:
            draw(layer.weight)
        if bias is not None and layer.bias is not None:
            init.constant_(layer.bias, bias)


def _fan_in(weight: Tensor) -> int:
    return weight[0].numel()


def _caffe_xavier(weight: Tensor) -> None:
    """Uniform with variance 1 / fan-in: BVLC/caffe, include/caffe/filler.hpp, XavierFiller."""
    bound = (3 / _fan_in(weight)) ** 0.5
    init.uniform_(weight, -bound, bound)


def _slim_variance_scaling(weight: Tensor) -> None:
    """Normal with variance 1.3 x 2 / fan-in, truncated at two deviations: slim's variance_scaling_initializer."""
    deviation = (1.3 * 2 / _fan_in(weight)) ** 0.5
    _tf_truncated(weight, deviation)


def _tf_truncated(weight: Tensor, deviation: float) -> None:
    init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)


def _paddle_linear(weight: Tensor) -> None:
    init.normal_(weight, std=_fan_in(weight) ** -0.5)


def _lecun(weight: Tensor) -> None:
    bound = 2.4 / _fan_in(weight)
    init.uniform_(weight, -bound, bound)


def _torchvision_truncated(deviation: float) -> Draw:
    return partial(init.trunc_normal_, mean=0.0, std=deviation, a=-2.0, b=2.0)


def _slim_truncated(deviation: float) -> Draw:
    return partial(_tf_truncated, deviation=deviation)


_gaussian: Callable[[float], Draw] = lambda deviation: partial(init.normal_, std=deviation)  # noqa: E731
_he_fan_out: Draw = partial(init.kaiming_normal_, mode="fan_out", nonlinearity="relu")

SLIM = Scheme(_slim_variance_scaling, init.xavier_uniform_, 0.0, 0.0)
"""tensorflow/models slim/nets/inception_utils.py, and slim's default for fully connected layers."""
KERAS = Scheme(init.xavier_uniform_, init.xavier_uniform_, 0.0, 0.0)
"""The default of Keras' layers, glorot_uniform."""
PADDLE = Scheme(partial(init.kaiming_normal_, nonlinearity="relu"), _paddle_linear, 0.0, 0.0)
"""PaddlePaddle v2, trainer_config_helpers/layers.py, `initial_smart`: variance 2 / fan-in, linear 1 / fan-in."""
CAFFE_GOOGLENET = Scheme(_caffe_xavier, _caffe_xavier, 0.2, 0.2, ((r"(^|\.)classifier$", _caffe_xavier, 0.0),))
"""BVLC/caffe models/bvlc_googlenet/train_val.prototxt; the paper does not describe its own."""
TORCHVISION_GOOGLENET = Scheme(_torchvision_truncated(0.01), _torchvision_truncated(0.01))
"""torchvision/models/googlenet.py; biases of linear layers keep PyTorch's values."""
TORCHVISION_INCEPTION = Scheme(
    _torchvision_truncated(0.1),
    _torchvision_truncated(0.1),
    special=((r"^AuxLogits\.fc$", _torchvision_truncated(0.001), None),),
)
"""torchvision/models/inception.py; the 0.01 that it sets for the head's last convolution is not used."""
VGG = Scheme(_he_fan_out, _gaussian(0.01), 0.0, 0.0)
"""torchvision/models/vgg.py."""
RESNET = Scheme(_he_fan_out)
"""torchvision/models/resnet.py."""

SCHEMES: dict[str, Scheme] = {
    **dict.fromkeys(("googlenet", "googlenet@caffe", "googlenet@naive"), CAFFE_GOOGLENET),
    "googlenet@paddle-fluid": Scheme(_caffe_xavier, _caffe_xavier, 0.0, 0.0),  # PaddleCV models/googlenet.py, `xavier`
    "googlenet@torchvision": TORCHVISION_GOOGLENET,
    "googlenet@slim": SLIM._replace(  # slim/nets/inception_v1.py: all but the classifier
        conv=_slim_truncated(0.01), special=(("classifier$", _slim_variance_scaling, 0.0),)
    ),
    **dict.fromkeys(
        ("inception_v2", "inception_v2@nonseparable"),
        SLIM._replace(  # slim/nets/inception_v2.py
            special=(
                (r"Conv2d_1a_7x7\.depthwise$", _slim_truncated(1.0), None),
                (r"Conv2d_1a_7x7$|Conv2d_2b_1x1$|Branch_3\.Conv2d_0b_1x1$", _slim_truncated(0.1), None),
                (r"Branch_[012]\.Conv2d_0a_1x1$", _slim_truncated(0.09), None),
            )
        ),
    ),
    "inception_v3": SLIM._replace(  # slim/nets/inception_v3.py: other deviations in the auxiliary head
        special=(
            (r"^AuxLogits\.Conv2d_2a", _slim_truncated(0.01), None),
            (r"^AuxLogits\.Conv2d_2b", _slim_truncated(0.001), 0.0),
        )
    ),
    **dict.fromkeys(("inception_v3@torchvision", "inception_v3@timm"), TORCHVISION_INCEPTION),
    **dict.fromkeys(("inception_v4", "inception_resnet_v2"), SLIM),
    **dict.fromkeys(("inception_v3@keras", "inception_resnet_v2@keras", "xception"), KERAS),
    **dict.fromkeys(
        (
            "googlenet@paddle", "inception_v4@paddle", "inception_resnet_v2@paddle", "xception@paddle",
            "alexnet@paddle", "vgg13@paddle", "vgg16@paddle", "vgg19@paddle", "resnet18@paddle", "resnet34@paddle",
            "resnet50@paddle", "resnet101@paddle", "resnet152@paddle",
        ),
        PADDLE,
    ),
    **dict.fromkeys(("vgg13", "vgg16", "vgg19"), VGG),
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"), RESNET),
    "nin": Scheme(  # gist mavenlin/d802a5849de39225bcc6, train_val.prototxt
        _gaussian(0.05), conv_bias=0.0, special=((r"^(conv1|conv3|cccp8-1024)$", _gaussian(0.01), 0.0),)
    ),
    "lenet": Scheme(_lecun, _lecun),  # LeCun et al. 1998, appendix A: uniform, 2.4 / fan-in
    "lenet@caffe": Scheme(_caffe_xavier, _caffe_xavier, 0.0, 0.0),
}  # fmt: skip
"""By name of the catalogue. timm's inception_v4 and inception_resnet_v2 and torchvision's alexnet keep PyTorch's
weights."""
