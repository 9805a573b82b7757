"""The records of a run: an evaluation, one of each epoch, and the summary."""

import msgspec


class Evaluation(msgspec.Struct, frozen=True):
    """The result of an evaluation."""

    images: int
    """Number of images."""
    top1: float
    """Share of the images whose class has the highest score, 0 to 1."""
    top5: float
    """Share of the images whose class is among the five highest scores, or among all if there are fewer classes."""
    loss: float | None
    """Mean cross-entropy of the main output, in nats; None if it is not finite."""
    confusion: list[list[int]]
    """Number of images by true class (row) and predicted class (column)."""

    @property
    def per_class(self) -> list[float | None]:
        """Accuracy of each class; None for a class without images."""
        return [row[i] / sum(row) if sum(row) else None for i, row in enumerate(self.confusion)]


class Epoch(msgspec.Struct, frozen=True):
    """The measurements of one epoch: a line of `metrics.jsonl`."""

    epoch: int
    """Number of the epoch, from 1."""
    step: int
    """Steps since the start of the run, at the end of the epoch."""
    learning_rate: float
    """Of the last step."""
    train_loss: float
    """Mean loss of the images, auxiliary heads included. A loss that is not finite counts as 0."""
    train_accuracy: float
    """Top-1, 0 to 1."""
    test_loss: float | None
    """None if it is not finite."""
    test_accuracy: float
    """Top-1, 0 to 1."""
    test_top5: float
    """Top-5, 0 to 1."""
    images_per_second: float
    """Of training, without evaluation."""
    train_seconds: float
    """Wall time of training."""
    seconds: float
    """Wall time, with evaluation."""
    cpu_seconds: float
    """CPU time on all cores, with evaluation."""
    skipped_steps: int
    """Steps without update because a gradient was not finite."""
    memory_bytes: int
    """Peak memory so far; 0 if unknown."""


class Summary(msgspec.Struct, frozen=True):
    """The results of a run: `summary.json`."""

    accuracy: float
    """Top-1 after the last epoch, 0 to 1."""
    top5: float
    """Top-5 after the last epoch, 0 to 1."""
    loss: float | None
    """Loss of the evaluation after the last epoch; None if it is not finite."""
    best_accuracy: float
    """Highest top-1 after any epoch."""
    best_epoch: int
    """The epoch of `best_accuracy`, from 1."""
    per_class: dict[str, float | None]
    """Accuracy by class; None for a class without images."""
    parameters_sha256: str
    """Hash of the parameters after the last epoch."""
    params: int
    """Parameters of the inference network."""
    macs: int
    """MACs of the inference network for one image."""
    images_per_second: float | None
    """Median over the epochs; None if no epoch has a record."""
    seconds: float
    """Wall time of all epochs."""
    cpu_seconds: float
    """CPU time of all epochs, on all cores."""
    epochs: int
    steps: int
    rollbacks: int
    """How often the run returned to a checkpoint with half the learning rate."""
    model: str
    data: str
    train_images: int
    test_images: int
    device: str
    """`cpu`, or the name of the GPU."""
    precision: str
    """`float32` or `bfloat16`."""
    processes: int
    torch: str
    """Version of PyTorch."""
