"""A recipe: everything that decides how a network is trained, as one table for a TOML file or the command line."""

from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

from inception_lens.architectures.network import ConfigTable
from inception_lens.errors import ConfigError

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Whole = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Part(ConfigTable, frozen=True, kw_only=True):
    """Base of the tables of a recipe."""

    def replace(self, **changes: object) -> Self:
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)


class Optimizer(Part, frozen=True, kw_only=True):
    """What turns gradients into steps. Learning rates are those of the mean loss of a batch."""

    name: Literal["sgd", "adamw", "rmsprop"] = "sgd"
    learning_rate: Annotated[float, Meta(gt=0, description="the highest that the schedule reaches")] = 0.02
    momentum: Annotated[float, Meta(ge=0, lt=1, description="of sgd and rmsprop; beta 1 of adamw")] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Meta(ge=0, le=10)] = 1e-4
    decay: Annotated[Literal["all", "weights"], Meta(description="weights: biases and norms are not decayed")] = (
        "weights"
    )
    clip: Annotated[float, Meta(ge=0, description="largest norm of the gradient; 0 does not clip")] = 0.0


class Schedule(Part, frozen=True, kw_only=True):
    """The learning rate over the run."""

    name: Annotated[
        Literal["constant", "one-cycle", "cosine", "step", "poly"],
        Meta(description="step: times gamma every so many epochs or samples; poly: (1 - t)^power"),
    ] = "one-cycle"
    warmup: Annotated[Share, Meta(description="share of the run in which the rate climbs, one-cycle and cosine")] = 0.2
    gamma: Annotated[float, Meta(gt=0, le=1)] = 0.1
    every_epochs: Annotated[Whole, Meta(description="of step")] = 30
    every_samples: Annotated[Whole, Meta(description="of step, in place of every_epochs where it is not 0")] = 0
    power: Annotated[float, Meta(gt=0, le=10)] = 0.5


class Loss(Part, frozen=True, kw_only=True):
    """Cross-entropy of the logits, plus that of every auxiliary head times its weight."""

    auxiliary: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | Literal["network"],
        Meta(description="weight of each auxiliary head; network: what the network says, 0.3 for GoogLeNet"),
    ] = "network"
    label_smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.0


class Augmentation(Part, frozen=True, kw_only=True):
    """What is done to the images of a batch, on the device."""

    crop: Annotated[
        Literal["none", "random", "resized"],
        Meta(description="resized: a part of the area, drawn and resized; random: a window; none: the whole image"),
    ] = "resized"
    area: Annotated[tuple[Share, Share], Meta(description="of the image, of resized crops")] = (0.08, 1.0)
    aspect: Annotated[tuple[float, float], Meta(description="width over height, of resized crops")] = (3 / 4, 4 / 3)
    flip: Annotated[bool, Meta(description="left and right, half of the time")] = True
    shift: Annotated[Whole, Meta(description="by up to so many pixels each way, black coming in")] = 0
    color: Annotated[Share, Meta(description="brightness, contrast and saturation change by up to this share")] = 0.0
    source_side: Annotated[
        Whole, Meta(description="side at which images are kept; 0: 8/7 of the network's where crops are drawn")
    ] = 0
    test_crops: Annotated[Literal[1, 10], Meta(description="10: corners and centre, flipped too, averaged")] = 1


class Engine(Part, frozen=True, kw_only=True):
    """How the arithmetic is done; `auto` follows the device."""

    device: Annotated[str, Meta(pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1")] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], Meta(description="auto: bfloat16 autocast on CUDA, float32 on CPU")
    ] = "auto"
    channels_last: bool = True
    compile: Annotated[bool, Meta(description="torch.compile: minutes at the start, faster steps")] = False
    graphs: Annotated[bool, Meta(description="CUDA graphs of forward and backward; one process on CUDA")] = False
    accumulate: Annotated[Positive, Meta(description="parts that each process cuts its share of a batch into")] = 1
    resident: Annotated[bool, Meta(description="keep the data on the device where it fits")] = True
    deterministic: Annotated[bool, Meta(description="bit-identical on CUDA too, and slower")] = False
    ema: Annotated[float, Meta(ge=0, lt=1, description="decay of the averaged weights, evaluated; 0: none")] = 0.0
    check_every: Annotated[Positive, Meta(description="steps between looks at the loss, signals and the clock")] = 10
    skip_limit: Annotated[Positive, Meta(description="steps without a finite gradient before it rolls back")] = 5


class Checkpoints(Part, frozen=True, kw_only=True):
    """When the state is saved, at the end of every epoch aside, and how many states are kept."""

    keep: Annotated[Positive, Meta(description="the last so many, and the best")] = 2
    every_steps: Annotated[Whole, Meta(description="0: never")] = 0
    every_seconds: Annotated[Whole, Meta(description="0: never")] = 300


class Recipe(Part, frozen=True, kw_only=True):
    """A whole run. The batch is the global one, of all processes and parts together."""

    model: Annotated[str, Meta(description="a name of the catalogue or a file")] = "googlenet"
    data: Annotated[str, Meta(description="digits, folder:PATH, flowers102:PATH, cifar10:PATH, ...")] = "digits"
    split: Annotated[
        Literal["auto", "official", "paddle"], Meta(description="of flowers102: paddle trains on the test part")
    ] = "auto"
    broken_limit: Annotated[Whole, Meta(description="images that may be broken; they are left out")] = 50
    epochs: Positive = 90
    batch: Positive = 128
    seed: Annotated[int, Meta(ge=0, lt=2**53)] = 0
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    augmentation: Augmentation = Augmentation()
    engine: Engine = Engine()
    checkpoints: Checkpoints = Checkpoints()
    rewrite: Annotated[
        Literal["none", "3x3-pairs"], Meta(description="3x3-pairs: each 5x5 becomes two 3x3 (arXiv 1512.00567)")
    ] = "none"
    network: Annotated[dict[str, Any], Meta(description="keys of the network's config that differ")] = msgspec.field(
        default_factory=dict
    )

    def check(self) -> None:
        """Raise a ConfigError where values contradict each other."""
        augmentation, engine = self.augmentation, self.engine
        if not 0 < augmentation.area[0] <= augmentation.area[1]:
            raise ConfigError(f"`augmentation.area` is {list(augmentation.area)}: it goes from more than 0 up to 1")
        if not 0 < augmentation.aspect[0] <= augmentation.aspect[1]:
            raise ConfigError(f"`augmentation.aspect` is {list(augmentation.aspect)}: the smaller one comes first")
        if self.batch % engine.accumulate:
            raise ConfigError(f"a batch of {self.batch} is not cut into {engine.accumulate} equal parts")
        if engine.graphs and engine.accumulate > 1:
            raise ConfigError("`engine.graphs` and `engine.accumulate` exclude each other")
        if self.schedule.name == "step" and not (self.schedule.every_epochs or self.schedule.every_samples):
            raise ConfigError("`schedule.every_epochs` is 0: a step schedule falls every so many epochs or samples")


DIGITS = Recipe(
    epochs=20,
    batch=64,
    optimizer=Optimizer(learning_rate=0.05, weight_decay=5e-4, decay="all"),
    augmentation=Augmentation(crop="none", flip=False, shift=4),
    network={
        "width": 0.25,
        "input": "3x32x32",
        "norm": "batch",
        "bias": False,
        "stem": {"kind": "conv-conv-pool"},
    },
)
"""What digits are trained with where nothing else is asked for; `examples/digits.toml` says the same."""
