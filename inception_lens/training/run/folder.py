"""The folder of a run: its recipe, metrics, results and checkpoints."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from inception_lens.errors import ConfigError, OutputError, TrainingError
from inception_lens.files import write_file
from inception_lens.readers.files import JSON_ERRORS
from inception_lens.training.data.dataset import Dataset
from inception_lens.training.recipe import Recipe
from inception_lens.training.recipe_file import read_recipe, to_toml
from inception_lens.training.run.checkpoints import CheckpointFolder
from inception_lens.training.run.records import Epoch, Evaluation, Summary

Record = TypeVar("Record")

CONFIG, METRICS, SUMMARY, DATA = "config.toml", "metrics.jsonl", "summary.json", "data.json"
EVALUATION = "evaluation.json"


class DataRecord(msgspec.Struct, frozen=True):
    """What a run stores about its dataset, `data.json`, so that its network can be used without it."""

    source: str
    """As in `--data`, with an absolute path."""
    fingerprint: str
    """Changes if the source changes."""
    classes: tuple[str, ...]
    side: int
    """Height and width of the stored images, pixels."""
    train: int
    """Number of training images."""
    test: int
    """Number of test images."""
    mean: tuple[float, ...]
    """Of each channel of the training images, 0 to 1."""
    std: tuple[float, ...]
    """Standard deviation of each channel of the training images, 0 to 1."""
    broken: list[tuple[str, str]]
    """Name and reason of the images that were left out."""

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError(f"`mean` and `std` are of {len(self.mean)} and {len(self.std)} channels, not of 1 or 3")

    @classmethod
    def of(cls, dataset: Dataset) -> "DataRecord":
        """The record of a dataset."""
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
        """Create the folder, or check that an existing one is of the same run; returns whether it existed.

        Raises:
            TrainingError: the folder exists without `resume`, or is not of the same run.
            OutputError: it cannot be created.
        """
        config = self.path / CONFIG
        if self.path.exists() and not resume:
            raise TrainingError(f"{self.path} exists: add --resume to continue its run, or choose another --out")
        if config.exists():
            check_same_recipe(self.recipe(), recipe, str(self.path))
            self.checkpoints(recipe.checkpoints.keep).remove_temporary_files()
            return True
        if self.path.is_dir() and any(self.path.iterdir()):
            raise TrainingError(f"{self.path} is not empty and has no {CONFIG}: choose another --out")
        try:
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from None
        write_file(config, to_toml(recipe))
        return False

    def recipe(self) -> Recipe:
        """The recipe of the run.

        Raises:
            TrainingError: the folder is not a run folder.
        """
        try:
            return read_recipe(str(self.path / CONFIG))
        except ConfigError as error:
            raise TrainingError(f"{self.path} is not a run folder: {error}") from None

    def checkpoints(self, keep: int = 2) -> CheckpointFolder:
        """The checkpoints of the run."""
        return CheckpointFolder(self.path / "checkpoints", keep)

    def check_data(self, dataset: Dataset) -> None:
        """Record the dataset, or compare it with the one that was recorded.

        Raises:
            TrainingError: the dataset has changed.
        """
        record = DataRecord.of(dataset)
        if (self.path / DATA).exists():
            if self.data().fingerprint != record.fingerprint:
                raise TrainingError(f"{record.source} has changed since {self.path} was created: start a new run")
            return
        write_file(self.path / DATA, _json(record))

    def data(self) -> DataRecord:
        """The dataset of the run.

        Raises:
            TrainingError: the record is missing or damaged.
        """
        return self._read(DATA, DataRecord)

    def metrics(self) -> list[Epoch]:
        """The completed epochs. A damaged line, such as an incomplete one of a killed run, is skipped."""
        return self._metrics_and_damaged()[0]

    def truncate_metrics(self, epochs: int) -> int:
        """Keep only the first epochs; returns how many damaged lines were dropped with the others."""
        records, damaged = self._metrics_and_damaged()
        write_file(self.path / METRICS, b"".join(_line(record) for record in records if record.epoch <= epochs))
        return damaged

    def _metrics_and_damaged(self) -> tuple[list[Epoch], int]:
        path = self.path / METRICS
        lines = path.read_bytes().splitlines() if path.exists() else []
        records = []
        for line in lines:
            with suppress(*JSON_ERRORS):
                records.append(msgspec.json.decode(line, type=Epoch))
        return records, len(lines) - len(records)

    def log(self, record: Epoch) -> None:
        """Append the record of an epoch.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            with open(self.path / METRICS, "ab") as file:
                file.write(_line(record))
        except OSError as error:
            raise OutputError(f"{self.path / METRICS}: {error.strerror or error}") from None

    def finish(self, summary: Summary, evaluation: Evaluation) -> None:
        """Write the results. The summary marks the run as finished."""
        write_file(self.path / EVALUATION, msgspec.json.encode(evaluation))
        write_file(self.path / SUMMARY, _json(summary))

    def evaluation(self) -> Evaluation:
        """The evaluation after the last epoch.

        Raises:
            TrainingError: it is missing or damaged.
        """
        return self._read(EVALUATION, Evaluation)

    def summary_if_finished(self) -> Summary | None:
        """The results, or None if they are missing or damaged: the run then has to write them."""
        try:
            return self.summary()
        except TrainingError:
            return None

    def summary(self) -> Summary:
        """The results of a finished run.

        Raises:
            TrainingError: they are missing or damaged.
        """
        return self._read(SUMMARY, Summary)

    def _read(self, name: str, kind: type[Record]) -> Record:
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except (OSError, *JSON_ERRORS) as error:
            raise TrainingError(f"{self.path / name}: {getattr(error, 'strerror', None) or error}") from None


def check_same_recipe(old: Recipe, new: Recipe, where: str) -> None:
    """Raise a TrainingError that names the first key of two recipes with different values."""
    a, b = (_flat(msgspec.to_builtins(recipe)) for recipe in (old, new))
    for key in dict.fromkeys([*a, *b]):
        if a.get(key) != b.get(key):
            raise TrainingError(
                f"{where} was created with {key} = {a.get(key)!r}, not {b.get(key)!r}: resume with the same command"
            )


def _flat(table: Mapping[str, object], where: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in table.items():
        found |= _flat(value, f"{where}{key}.") if isinstance(value, Mapping) else {f"{where}{key}": value}
    return found


def _line(record: Epoch) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
