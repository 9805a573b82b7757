"""The recipe of a run: every setting of training, as the tables of a TOML file."""

from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from inception_lens.architectures.network import ConfigTable
from inception_lens.errors import ConfigError

Fraction = Annotated[float, Meta(ge=0, le=1)]
PositiveInt = Annotated[int, Meta(ge=1, le=1_000_000_000)]
NonNegativeInt = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class RecipeTable(ConfigTable, frozen=True, kw_only=True):
    """Base class of the tables of a recipe."""

    def replace(self, **changes: object) -> Self:
        """A copy with other values of some fields."""
        return msgspec.structs.replace(self, **changes)


class Optimizer(RecipeTable, frozen=True, kw_only=True):
    """The optimizer. Learning rates apply to the mean loss of a batch."""

    name: Literal["sgd", "adamw", "rmsprop"] = "sgd"
    learning_rate: Annotated[float, Meta(gt=0, description="the highest of the schedule")] = 0.02
    momentum: Annotated[float, Meta(ge=0, lt=1, description="beta 1 if adamw")] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Meta(ge=0, le=10)] = 1e-4
    decay: Annotated[Literal["all", "weights"], Meta(description="weights: not biases and norms")] = "weights"
    clip: Annotated[float, Meta(ge=0, description="largest gradient norm; 0: no clipping")] = 0.0


class Schedule(RecipeTable, frozen=True, kw_only=True):
    """The learning rate over the run."""

    name: Annotated[
        Literal["constant", "one-cycle", "cosine", "step", "poly"],
        Meta(description="step: times gamma every `every_epochs` or `every_samples`; poly: (1 - t)^power"),
    ] = "one-cycle"
    warmup: Annotated[Fraction, Meta(description="share of the run with a rising rate; one-cycle, cosine")] = 0.2
    gamma: Annotated[float, Meta(gt=0, le=1)] = 0.1
    every_epochs: Annotated[NonNegativeInt, Meta(description="period of step")] = 30
    every_samples: Annotated[NonNegativeInt, Meta(description="period of step; 0: every_epochs")] = 0
    power: Annotated[float, Meta(gt=0, le=10)] = 0.5


class Loss(RecipeTable, frozen=True, kw_only=True):
    """The cross-entropy of the main output plus that of each auxiliary head times its weight."""

    auxiliary: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | Literal["network"],
        Meta(description="weight of each auxiliary head; network: its own, 0.3 for GoogLeNet"),
    ] = "network"
    label_smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.0


class Augmentation(RecipeTable, frozen=True, kw_only=True):
    """The augmentation of a batch of images, on the device."""

    crop: Annotated[
        Literal["none", "random", "resized"],
        Meta(description="resized: a random area, resized; random: a random window; none: the entire image"),
    ] = "resized"
    area: Annotated[
        tuple[Fraction, Fraction], Meta(description="of resized crops: smallest and largest share of the image")
    ] = (0.08, 1.0)
    aspect: Annotated[
        tuple[float, float], Meta(description="of resized crops: smallest and largest width / height")
    ] = (3 / 4, 4 / 3)
    flip: Annotated[bool, Meta(description="mirror half of the images")] = True
    shift: Annotated[
        NonNegativeInt, Meta(description="largest shift in pixels, in each direction; borders are black")
    ] = 0
    color: Annotated[
        Fraction, Meta(description="largest change of brightness, contrast and saturation, as a share")
    ] = 0.0
    source_side: Annotated[
        NonNegativeInt, Meta(description="side of stored images; 0: 8/7 of the network's input if crops are random")
    ] = 0
    test_crops: Annotated[
        Literal[1, 10], Meta(description="10: mean over corners and centre, and their mirror images")
    ] = 1


class Engine(RecipeTable, frozen=True, kw_only=True):
    """Devices, precision and other properties of the computation; `auto` depends on the device."""

    device: Annotated[str, Meta(pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1")] = "auto"
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], Meta(description="auto: bfloat16 autocast on CUDA, float32 on CPU")
    ] = "auto"
    channels_last: bool = True
    compile: Annotated[bool, Meta(description="torch.compile: takes minutes at the start, then faster steps")] = False
    graphs: Annotated[bool, Meta(description="CUDA graphs of forward and backward pass; with one process")] = False
    accumulate: Annotated[
        PositiveInt, Meta(description="parts per batch and process, whose gradients are accumulated")
    ] = 1
    resident: Annotated[bool, Meta(description="keep the dataset on the device if it fits")] = True
    deterministic: Annotated[bool, Meta(description="bit-identical runs on CUDA too; slower")] = False
    ema: Annotated[
        float, Meta(ge=0, lt=1, description="decay of the weights' moving average, which is evaluated; 0: none")
    ] = 0.0
    check_every: Annotated[PositiveInt, Meta(description="steps between checks of loss, signals and clock")] = 10
    skip_limit: Annotated[
        PositiveInt, Meta(description="consecutive steps without finite gradients before a rollback")
    ] = 5


class CheckpointPolicy(RecipeTable, frozen=True, kw_only=True):
    """When checkpoints are written, besides the end of every epoch, and how many are kept."""

    keep: Annotated[PositiveInt, Meta(description="number of latest checkpoints; the best one is kept too")] = 2
    every_steps: Annotated[NonNegativeInt, Meta(description="0: never")] = 0
    every_seconds: Annotated[NonNegativeInt, Meta(description="0: never")] = 300


class Recipe(RecipeTable, frozen=True, kw_only=True):
    """All settings of a run."""

    model: Annotated[str, Meta(description="catalogue name or file")] = "googlenet"
    data: Annotated[str, Meta(description="digits, folder:PATH, flowers102:PATH, cifar10:PATH, ...")] = "digits"
    split: Annotated[
        Literal["auto", "official", "paddle"], Meta(description="of flowers102; paddle: trains on the test set")
    ] = "auto"
    broken_limit: Annotated[NonNegativeInt, Meta(description="largest number of broken images, which are left out")] = (
        50
    )
    epochs: PositiveInt = 90
    batch: Annotated[PositiveInt, Meta(description="images per step, over all processes and parts")] = 128
    seed: Annotated[int, Meta(ge=0, lt=2**53)] = 0
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    augmentation: Augmentation = Augmentation()
    engine: Engine = Engine()
    checkpoints: CheckpointPolicy = CheckpointPolicy()
    rewrite: Annotated[
        Literal["none", "3x3-pairs"], Meta(description="3x3-pairs: two 3x3 instead of each 5x5 (arXiv 1512.00567)")
    ] = "none"
    network: Annotated[dict[str, object], Meta(description="keys of the network's config to change")] = msgspec.field(
        default_factory=dict
    )

    def check(self) -> None:
        """Raise a ConfigError if values contradict each other."""
        augmentation, engine = self.augmentation, self.engine
        if not 0 < augmentation.area[0] <= augmentation.area[1]:
            raise ConfigError(
                f"`augmentation.area` is {list(augmentation.area)}: give a lower and an upper bound above 0"
            )
        if not 0 < augmentation.aspect[0] <= augmentation.aspect[1]:
            raise ConfigError(
                f"`augmentation.aspect` is {list(augmentation.aspect)}: give a lower and an upper bound above 0"
            )
        if self.batch % engine.accumulate:
            raise ConfigError(
                f"`batch` is {self.batch}, which is not divisible by `engine.accumulate` = {engine.accumulate}"
            )
        if engine.graphs and engine.accumulate > 1:
            raise ConfigError("`engine.graphs` and `engine.accumulate` exclude each other")
        if self.schedule.name == "step" and not (self.schedule.every_epochs or self.schedule.every_samples):
            raise ConfigError("`schedule.every_epochs` is 0: a step schedule needs a period in epochs or samples")


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
"""The default recipe of digits; the same as `examples/digits.toml`."""
