"""What a run writes down of itself: each epoch, and what came out."""

import msgspec


class Epoch(msgspec.Struct, frozen=True):
    """What one epoch measured: a line of `metrics.jsonl`."""

    epoch: int
    """From 1."""
    step: int
    """Steps of the run that are done at its end."""
    learning_rate: float
    train_loss: float
    train_accuracy: float
    test_loss: float | None
    """None where it is not finite."""
    test_accuracy: float
    test_top5: float
    images_per_second: float
    train_seconds: float
    seconds: float
    """On the clock, evaluation included."""
    cpu_seconds: float
    skipped_steps: int
    memory_bytes: int


class Summary(msgspec.Struct, frozen=True):
    """What came out of a run: `summary.json`."""

    accuracy: float
    """Top-1 after the last epoch, 0 to 1."""
    top5: float
    loss: float | None
    """Of the evaluation; None where it is not finite."""
    best_accuracy: float
    best_epoch: int
    per_class: dict[str, float | None]
    """Accuracy by class; None for one without images."""
    parameters_sha256: str
    params: int
    macs: int
    """Of one image in inference mode."""
    images_per_second: float | None
    """Median of the epochs; None where none was timed."""
    seconds: float
    cpu_seconds: float
    epochs: int
    steps: int
    rollbacks: int
    model: str
    data: str
    train_images: int
    test_images: int
    device: str
    precision: str
    processes: int
    torch: str
