"""The commands train, evaluate, predict, ablate and bench."""

import csv
import io
import json
import re
import statistics
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inception_lens.benchmarks.training import Speed
from inception_lens.benchmarks.training_table import TrainingSpeeds, training_table
from inception_lens.cli import run
from inception_lens.training.optimizers import learning_rate
from inception_lens.training.run.folder import RunFolder
from tests.cli.formats import check_formats, written
from tests.training.conftest import metrics, summary
from tests.training.tiny import arrays

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images of `tiny` as a folder with a subfolder for each class."""
    root = tmp_path_factory.mktemp("photos")
    for i, (image, label) in enumerate(zip(*arrays(), strict=True)):
        (root / "<b>colour" / "..").mkdir(parents=True, exist_ok=True)
        path = root / ("<b>colour" if label == 0 else f"colour {label}") / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return root


@pytest.fixture(scope="module")
def trained(recipe: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a high accuracy."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    still = ("--set", "dropout=0", "--set", "aux=none", "--set", "width=0.15")
    command = [
        "train",
        "--recipe",
        str(recipe),
        "--data",
        f"folder:{photos}",
        "--epochs",
        "12",
        *still,
        "--tensorboard",
    ]
    assert run([*command, "--out", str(folder), "--cache", str(folder.with_name("cache"))]) == 0
    return folder


def test_the_files_of_a_run(trained: Path) -> None:
    found = summary(trained)
    assert found["accuracy"] > 0.9
    assert len(found["parameters_sha256"]) == 64
    assert isinstance(found["params"], int)
    assert isinstance(found["macs"], int)
    assert found["images_per_second"] > 0
    assert [line["epoch"] for line in metrics(trained)] == list(range(1, 13))
    assert metrics(trained)[-1]["test_accuracy"] == found["accuracy"]
    accuracies = [line["test_accuracy"] for line in metrics(trained)]
    assert (found["best_accuracy"], found["best_epoch"]) == (max(accuracies), accuracies.index(max(accuracies)) + 1)
    speeds = [line["images_per_second"] for line in metrics(trained)]
    assert found["images_per_second"] == statistics.median(speeds)
    recipe = RunFolder(trained).recipe()
    steps = found["steps"] // 12
    rates = [learning_rate(recipe, epoch * steps - 1, steps) for epoch in range(1, 13)]  # of the last step
    assert [line["learning_rate"] for line in metrics(trained)] == rates
    assert found["seconds"] == pytest.approx(sum(line["seconds"] for line in metrics(trained)))
    names = {path.name for path in trained.iterdir()}
    shared = {"config.toml", "metrics.jsonl", "summary.json", "data.json", "evaluation.json", "checkpoints"}
    assert names == {*shared, "curves.svg", "confusion.svg", "index.html", "tensorboard"}
    assert list((trained / "tensorboard").glob("events*"))


def test_the_page_shows_the_run_and_loads_nothing(trained: Path) -> None:
    page = (trained / "index.html").read_text()
    assert "default-src 'none'" in page
    assert "<b>colour" not in page
    assert "&lt;b&gt;colour" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    for text in (f"{100 * summary(trained)['accuracy']:.2f} %", f"{summary(trained)['params']:,}", "bound of this CPU"):
        assert text in page


def test_evaluate_repeats_the_accuracy(trained: Path, capsys: Capture) -> None:
    cache = ("--cache", str(trained.with_name("cache")))
    checkpoint = next((trained / "checkpoints").glob("step-*12-*"), None) or max(
        (trained / "checkpoints").glob("step-*")
    )
    for path in (trained, checkpoint):
        assert run(["evaluate", str(path), "--format", "json", *cache]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["accuracy"] == summary(trained)["accuracy"]
        assert found["loss"] == pytest.approx(summary(trained)["loss"], rel=1e-6)
        assert found["per_class"] == summary(trained)["per_class"]
    assert run(["evaluate", str(trained), "--best", *cache]) == 0
    assert f"Accuracy {100 * summary(trained)['best_accuracy']:.2f} %" in capsys.readouterr().out
    assert run(["evaluate", str(trained), "--ten-crop", *cache]) == 0
    assert "Accuracy" in capsys.readouterr().out
    assert run(["evaluate", str(trained), "--format", "csv", *cache]) == 0
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert {row["class"]: float(row["accuracy"]) for row in rows} == summary(trained)["per_class"]


def test_results_are_written_in_every_format(trained: Path, photos: Path, tmp_path: Path) -> None:
    image = next(photos.glob("*/*.png"))
    for arguments in (["evaluate", str(trained)], ["predict", str(trained), str(image)]):
        check_formats(written(arguments, tmp_path))


def test_the_moving_average_is_evaluated(recipe: Path, tmp_path: Path, capsys: Capture) -> None:
    command = ["train", "--recipe", str(recipe), "--epochs", "2", "--option", "engine.ema=0.5"]
    assert run([*command, "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert run(["evaluate", str(tmp_path / "run"), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"] == pytest.approx(summary(tmp_path / "run")["loss"], rel=1e-6)


def test_evaluate_on_other_data_matches_classes_by_name(trained: Path, tmp_path: Path, capsys: Capture) -> None:
    images, labels = arrays(24)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        if label in (2, 3):
            path = tmp_path / "other" / f"colour {label}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    assert run(["evaluate", str(trained), "--data", f"folder:{tmp_path / 'other'}", "--all", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["accuracy"] > 0.8) == (12, True)
    (tmp_path / "other" / "colour 2").rename(tmp_path / "other" / "edge")
    assert run(["evaluate", str(trained), "--data", f"folder:{tmp_path / 'other'}"]) == 2
    assert "was not trained on the class `edge`" in capsys.readouterr().err


def test_predict_lists_classes(trained: Path, photos: Path, tmp_path: Path, capsys: Capture) -> None:
    images, labels = arrays()
    chosen = [next((photos / f"colour {label}").iterdir()) for label in (1, 2, 3)]
    assert run(["predict", str(trained), *map(str, chosen), "--top", "2", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["classes"][0]["label"] for each in found] == ["colour 1", "colour 2", "colour 3"]
    assert all(len(each["classes"]) == 2 for each in found)
    large = tmp_path / "large.jpg"
    Image.fromarray(np.asarray(images[1])).resize((300, 300)).save(large)
    assert run(["predict", str(trained), str(large), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["image"] for row in rows] == [str(large)] * 4
    assert rows[0]["class"] == f"colour {labels[1]}"


def test_a_run_is_usable_from_another_working_directory(
    recipe: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(photos.parent)
    command = ["train", "--recipe", str(recipe), "--data", f"folder:{photos.name}", "--epochs", "1"]
    assert run([*command, "--out", str(tmp_path / "run")]) == 0
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert run(["evaluate", "run", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == summary(tmp_path / "run")["accuracy"]
    assert run(["train", "--resume", "--out", "run"]) == 0
    assert "run is done" in capsys.readouterr().out


def test_ablate_compares_resumes_and_keeps_every_run(recipe: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "ablation"
    command = ["ablate", "--recipe", str(recipe), "--seeds", "0,1", "--epochs", "1", "--figure-2a", "--out", str(out)]
    assert run(command) == 0
    table = capsys.readouterr().out
    assert "Differences from reduced" in table
    assert "figure-2a" in table
    found = json.loads((out / "ablation.json").read_text())
    assert [arm["n"] for arm in found["arms"]] == [2, 2, 2]
    for arm in found["arms"]:
        kept = [summary(out / arm["arm"] / f"seed-{seed}") for seed in (0, 1)]
        assert [each["accuracy"] for each in kept] == arm["accuracies"]
    assert found["arms"][0]["params"] < found["arms"][1]["params"]
    assert (out / "ablation.svg").read_text().startswith("<?xml")
    assert "inception-lens" in (out / "ablation.md").read_text()
    assert run(command) == 2
    assert "exists: add --resume" in capsys.readouterr().err
    before = (out / "naive" / "seed-1" / "metrics.jsonl").stat().st_mtime_ns
    assert run([*command, "--resume", "--format", "csv"]) == 0
    output = capsys.readouterr()
    assert "is done" in output.err
    check_formats(written([*command, "--resume"], tmp_path))
    arms = [row["arm"] for row in csv.DictReader(io.StringIO(output.out)) if row["table"] == "arms"]
    assert arms == ["reduced", "naive", "figure-2a"]
    assert (out / "naive" / "seed-1" / "metrics.jsonl").stat().st_mtime_ns == before


def test_bench_train_compares_with_a_plain_loop(capsys: Capture) -> None:
    small = ("--set", "width=0.05", "--set", "input=3x16x16")
    assert run(["bench", "train", "--batch", "4,8", "--seconds", "0.01", *small]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("eager")] == [
        ["eager", "4"],
        ["eager", "8"],
    ]
    assert "bounds in images/s: compute" in out
    assert run(["bench", "train", "--batch", "4", "--seconds", "0.01", *small, "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [(each["engine"], each["batch"]) for each in record["speeds"]] == [("plain loop", 4), ("eager", 4)]
    assert record["compute"] > 0


def test_the_bounds_of_an_unknown_machine_are_unknown() -> None:
    found = TrainingSpeeds("net", 5, 7, None, None, None, None, (Speed("eager", 4, 100.0, 0.97),))
    table = training_table(found)
    assert table.rows[0].cells == (4, 100.0, 0.97, None, None)
    assert table.notes == ("target: the eager trainer reaches 0.95 of the plain loop",)


def test_a_run_in_a_terminal_is_live(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert run(["train", "--recipe", str(recipe), "--epochs", "1", "--out", str(tmp_path / "run")]) == 0
    assert "epoch   1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "googlenett"], "did you mean `googlenet`"),
        (["train", "--data", "digts"], "did you mean `digits`"),
        (["train", "--data", "folder:/nonesuch"], "not an existing folder"),
        (["train", "--recipe", "nonesuch.toml"], "nonesuch.toml: No such file"),
        (["train", "--option", "epoch=3"], "did you mean `epochs`"),
        (["train", "--option", "epochs"], "--option epochs: expected KEY=VALUE"),
        (["train", "--option", "optimizer.momentum=fast"], "`optimizer.momentum` is 'fast'"),
        (["train", "--set", "clases=3"], "did you mean `classes`"),
        (["train", "--set", "classes=3"], "has 3 classes, but digits has 10"),
        (["train", "--set", "input=3x4x4"], "does not fit"),
        (["train", "--batch", "5000"], "`batch` is 5000, more than the 1437 training images"),
        (["train", "--batch", "0"], "--batch"),
        (["train", "--learning-rate", "nan"], "learning_rate"),
        (["train", "--device", "tpu"], "`engine.device` is 'tpu'"),
        (["train", "--device", "cuda:99"], "device `cuda:99` does not exist"),
        (["train", "--split", "paddle"], "only flowers102 has several splits"),
        (["train", "net.onnx"], "net.onnx"),
        (["train", "net.py:make"], "`net.py:make` is code"),
        (["evaluate", "nonesuch"], "nonesuch is not a run folder"),
        (["predict", "nonesuch", "a.png"], "nonesuch is not a run folder"),
        (["predict", "nonesuch"], "IMAGE"),
        (["ablate", "--seeds", "one"], "--seeds one"),
        (["ablate", "--seed", "3"], "use --seeds"),
        (["ablate", "--widths", "0.5"], "at least two distinct numbers"),
        (["ablate", "--widths", "0.5,1", "--compare", "aux"], "exclude each other"),
        (["ablate", "--compare", "aux", "--figure-2a"], "--figure-2a needs --compare reduction"),
        (["ablate", "inception_v3", "--data", "synthetic"], "`reduce` is not a key"),
        (["bench", "train", "--batch", "many"], "--batch many"),
        (["bench", "train", "--ways", "fast"], "--ways fast"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_a_wrong_command_is_reported_in_one_line(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_a_run_folder_cannot_name_code(recipe: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["train", "--recipe", str(recipe), "--epochs", "1", "--out", str(tmp_path / "run")]) == 0
    (tmp_path / "net.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef make(): ...\n")
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().replace('model = "googlenet"', f'model = "{tmp_path / "net.py"}:make"'))
    (tmp_path / "run" / "summary.json").unlink()
    folder = str(tmp_path / "run")
    for command in (["evaluate", folder], ["predict", folder, "a.png"], ["train", "--resume", "--out", folder]):
        assert run(command) == 2
        assert "is code" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_an_unreadable_image_is_reported_in_one_line(trained: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    for image in (tmp_path / "a.png", tmp_path / "nonesuch.png"):
        assert run(["predict", str(trained), str(image)]) == 2
        assert f"{image}: not a readable image:" in capsys.readouterr().err
