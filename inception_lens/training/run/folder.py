"""The folder of a run: what was asked for, what each epoch measured, what came out, and the states to go on from."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from inception_lens.errors import ConfigError, OutputError, TrainingError
from inception_lens.files import write_file
from inception_lens.readers.files import JSON_ERRORS
from inception_lens.training.data.dataset import Dataset
from inception_lens.training.evaluation import Evaluation
from inception_lens.training.recipe import Recipe
from inception_lens.training.recipe_file import read_recipe, to_toml
from inception_lens.training.run.checkpoints import Checkpoints
from inception_lens.training.run.records import Epoch, Summary

Kept = TypeVar("Kept")

CONFIG, METRICS, SUMMARY, DATA = "config.toml", "metrics.jsonl", "summary.json", "data.json"
EVALUATION = "evaluation.json"


class DataAbout(msgspec.Struct, frozen=True):
    """What a run keeps of its data, so that a network can answer without them."""

    source: str
    fingerprint: str
    classes: tuple[str, ...]
    side: int
    train: int
    test: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    broken: list[tuple[str, str]]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError(f"mean and std of 1 or 3 channels, not of {len(self.mean)} and {len(self.std)}")

    @classmethod
    def of(cls, dataset: Dataset) -> "DataAbout":
        """What is kept of a dataset."""
        train, test, side = len(dataset.train), len(dataset.test), dataset.images.shape[1]
        broken = [(each.name, each.reason) for each in dataset.broken]
        return cls(
            dataset.source, dataset.fingerprint, dataset.classes, side, train, test, dataset.mean, dataset.std, broken
        )


class RunFolder:
    """Reads and writes the folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, recipe: Recipe, *, resume: bool) -> bool:
        """Make the folder; or find one that the same run left, and return whether there was one.

        Raises:
            TrainingError: the folder is there and nobody asked to resume, or it is of another run.
            OutputError: it cannot be made.
        """
        config = self.path / CONFIG
        if self.path.exists() and not resume:
            raise TrainingError(f"{self.path} is there already: add --resume to go on with it, or take another --out")
        if config.exists():
            check_same(self.recipe(), recipe, str(self.path))
            self.checkpoints(recipe.checkpoints.keep).clear_remains()
            return True
        if self.path.is_dir() and any(self.path.iterdir()):
            raise TrainingError(f"{self.path} holds other things and no {CONFIG}: take another --out")
        try:
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from None
        write_file(config, to_toml(recipe))
        return False

    def recipe(self) -> Recipe:
        """What was asked for.

        Raises:
            TrainingError: the folder is that of no run.
        """
        try:
            return read_recipe(str(self.path / CONFIG))
        except ConfigError as error:
            raise TrainingError(f"{self.path} is no folder of a run: {error}") from None

    def checkpoints(self, keep: int = 2) -> Checkpoints:
        """The states of the run."""
        return Checkpoints(self.path / "checkpoints", keep)

    def check_data(self, dataset: Dataset) -> None:
        """Write down what the data are; or compare them with what they were.

        Raises:
            TrainingError: they have changed since.
        """
        about = DataAbout.of(dataset)
        if (self.path / DATA).exists():
            if self.data().fingerprint != about.fingerprint:
                raise TrainingError(f"{about.source} has changed since {self.path} was begun: start a new run")
            return
        write_file(self.path / DATA, _json(about))

    def data(self) -> DataAbout:
        """What the data are.

        Raises:
            TrainingError: it is not there, or damaged.
        """
        return self._read(DATA, DataAbout)

    def metrics(self) -> list[Epoch]:
        """The epochs that are done; a line that is half, as a killed run leaves it, or damaged is passed over."""
        records = []
        if (self.path / METRICS).exists():
            for line in (self.path / METRICS).read_bytes().splitlines():
                with suppress(*JSON_ERRORS):
                    records.append(msgspec.json.decode(line, type=Epoch))
        return records

    def keep_metrics(self, epochs: int) -> None:
        """Leave the first so many epochs: those after the state that the run goes on from are done again."""
        records = [record for record in self.metrics() if record.epoch <= epochs]
        write_file(self.path / METRICS, b"".join(map(_line, records)))

    def log(self, record: Epoch) -> None:
        """Add the record of an epoch.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            with open(self.path / METRICS, "ab") as file:
                file.write(_line(record))
        except OSError as error:
            raise OutputError(f"{self.path / METRICS}: {error.strerror or error}") from None

    def finish(self, summary: Summary, evaluation: Evaluation) -> None:
        """Write what came out; that the summary is there says that the run is done."""
        write_file(self.path / EVALUATION, msgspec.json.encode(evaluation))
        write_file(self.path / SUMMARY, _json(summary))

    def evaluation(self) -> Evaluation:
        """The evaluation after the last epoch.

        Raises:
            TrainingError: it is not there, or damaged.
        """
        return self._read(EVALUATION, Evaluation)

    def summary(self) -> Summary | None:
        """What came out; None before the run is done, and where it is damaged: the run then writes it again."""
        try:
            return self.finished()
        except TrainingError:
            return None

    def finished(self) -> Summary:
        """What came out of a run that is done.

        Raises:
            TrainingError: it is not there, or damaged.
        """
        return self._read(SUMMARY, Summary)

    def _read(self, name: str, kind: type[Kept]) -> Kept:
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except (OSError, *JSON_ERRORS) as error:
            raise TrainingError(f"{self.path / name}: {getattr(error, 'strerror', None) or error}") from None


def check_same(old: Recipe, new: Recipe, where: str) -> None:
    """Raise a TrainingError that names the first key in which two recipes differ."""
    a, b = (_flat(msgspec.to_builtins(recipe)) for recipe in (old, new))
    for key in dict.fromkeys([*a, *b]):
        if a.get(key) != b.get(key):
            raise TrainingError(
                f"{where} was begun with {key} = {a.get(key)!r}, not {b.get(key)!r}: resume with the same command"
            )


def _flat(table: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{where}{key}.") if isinstance(value, Mapping) else {f"{where}{key}": value}
    return found


def _line(record: Epoch) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
