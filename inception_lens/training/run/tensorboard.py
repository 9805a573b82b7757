"""The metrics of each epoch as TensorBoard event files."""

from pathlib import Path

from msgspec.structs import asdict

from inception_lens.errors import require
from inception_lens.training.run.observer import Observer, StepProgress
from inception_lens.training.run.records import Epoch


class TensorBoardObserver(Observer):
    """Writes event files into a run folder, and forwards every call to another observer."""

    def __init__(self, other: Observer, folder: Path) -> None:
        require("tensorboard", extra="train")
        from torch.utils.tensorboard import SummaryWriter

        self.other, self.writer = other, SummaryWriter(str(folder / "tensorboard"))  # type: ignore[no-untyped-call]

    def step(self, progress: StepProgress) -> None:
        self.other.step(progress)

    def epoch(self, record: Epoch) -> None:
        for name, value in asdict(record).items():
            if name not in ("epoch", "step") and value is not None:
                self.writer.add_scalar(name, value, record.step)  # type: ignore[no-untyped-call]
        self.writer.flush()  # type: ignore[no-untyped-call]
        self.other.epoch(record)

    def note(self, text: str) -> None:
        self.other.note(text)
