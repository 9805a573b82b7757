"""Accuracy, loss and confusion of known scores."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from inception_lens.graph import Graph, Input, Output, Writer
from inception_lens.ops import Flatten, Linear, Softmax, TensorType
from inception_lens.training.data.augmentation import Preparation
from inception_lens.training.data.batches import Batches
from inception_lens.training.data.dataset import Dataset
from inception_lens.training.evaluation import BATCH, Evaluator
from inception_lens.training.evaluation_table import evaluation_table
from inception_lens.training.networks import Networks
from inception_lens.training.recipe import Augmentation
from inception_lens.training.run.processes import Processes
from inception_lens.training.run.records import Evaluation

CPU = torch.device("cpu")
SIDE = 8


def network(classes: int) -> Graph:
    net = Writer([Input("x", TensorType((1, 3, SIDE, SIDE)))])
    x = net.add("fc", Linear(classes), net.add("flatten", Flatten(), "x"))
    return net.graph([Output(net.add("softmax", Softmax(), x))])


class PixelScores(nn.Module):
    """Returns the first red pixels of an image as scores, and records its training mode."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.modes.append(self.training)
        return x[:, 0, 0, : self.classes].float().softmax(1)


def evaluator(scores: Sequence[Sequence[int]], labels: Sequence[int], rank: int = 0, world: int = 1) -> Evaluator:
    """An evaluator of images that hold these scores."""
    classes = len(scores[0])
    images = torch.zeros(len(scores), SIDE, SIDE, 3, dtype=torch.uint8)
    images[:, 0, :classes, 0] = torch.tensor(scores, dtype=torch.uint8)
    numbers = torch.arange(len(scores))
    names = tuple("abcdefgh"[:classes])
    dataset = Dataset("", "", names, images, torch.tensor(labels), numbers[:0], numbers, (0.0,) * 3, (1 / 255,) * 3)
    graph = network(classes)
    preparation = Preparation.of(Augmentation(crop="none"), (3, SIDE, SIDE), dataset, CPU)
    networks = Networks(graph, graph, "pytorch")
    return Evaluator(networks, Batches(dataset, CPU), dataset.test, preparation, Processes(rank, world), False)


SCORES = [[9, 1, 2, 3, 4, 5], [9, 8, 2, 3, 4, 5], [0, 1, 9, 3, 4, 5], [9, 8, 7, 6, 5, 0]]
LABELS = [0, 3, 2, 5]  # ranks 1, 5, 1 and 6


def test_accuracy_loss_and_confusion() -> None:
    found = evaluator(SCORES, LABELS)(PixelScores(6))
    assert (found.images, found.top1, found.top5) == (4, 0.5, 0.75)
    assert found.confusion[0] == [1, 0, 0, 0, 0, 0]
    assert found.confusion[3] == found.confusion[5] == [1, 0, 0, 0, 0, 0]
    assert found.per_class == [1.0, None, 1.0, 0.0, None, 0.0]
    expected = torch.tensor(SCORES).float().log_softmax(1)[torch.arange(4), torch.tensor(LABELS)]
    assert found.loss == pytest.approx(-float(expected.mean()), rel=1e-4)


def test_top_5_of_fewer_classes_is_all() -> None:
    found = evaluator([[3, 2, 1], [3, 2, 1]], [0, 2])(PixelScores(3))
    assert (found.top1, found.top5) == (0.5, 1.0)


def test_more_images_than_a_batch() -> None:
    count = BATCH + 3
    found = evaluator([[1, 2]] * count, [1] * BATCH + [0] * 3)(PixelScores(2))
    assert (found.images, found.top1) == (count, BATCH / count)
    assert found.confusion == [[0, 3], [0, BATCH]]


def test_processes_share_the_images() -> None:
    shares = [evaluator(SCORES * 2, LABELS * 2, rank, 3) for rank in range(3)]
    assert [torch.cat(share.parts).tolist() for share in shares] == [[0, 3, 6], [1, 4, 7], [2, 5]]


def test_the_training_mode_is_kept() -> None:
    for mode in (True, False):
        module = PixelScores(6).train(mode)
        evaluator(SCORES, LABELS)(module)
        assert (module.modes, module.training) == ([False], mode)


def test_a_loss_that_is_not_finite_is_unknown() -> None:
    class Broken(PixelScores):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * float("nan")

    assert evaluator(SCORES, LABELS)(Broken(6)).loss is None


def test_ten_crops_average_probabilities() -> None:
    class CornerScores(nn.Module):
        """Two classes: certain of the second one only for crops with a bright corner."""

        def forward(self, x: Tensor) -> Tensor:
            second = (x[:, 0, 0, 0] > 100).float()
            return torch.stack([1 - second, second], 1)

    images = torch.zeros(1, SIDE + 2, SIDE + 2, 3, dtype=torch.uint8)
    images[:, 0, 0] = 255  # in the first corner crop, and at its other end in its mirror image
    numbers = torch.arange(1)
    dataset = Dataset("", "", ("a", "b"), images, torch.tensor([1]), numbers, numbers, (0.0,) * 3, (1 / 255,) * 3)
    graph = network(2)
    preparation = Preparation.of(Augmentation(test_crops=10), (3, SIDE, SIDE), dataset, CPU)
    networks = Networks(graph, graph, "pytorch")
    evaluate = Evaluator(networks, Batches(dataset, CPU), numbers, preparation, Processes(), False)
    assert evaluate.scores(CornerScores(), images).exp().flatten().tolist() == pytest.approx([0.9, 0.1])


def test_table_of_classes() -> None:
    result = Evaluation(7, 3 / 7, 1.0, None, [[2, 0, 0], [0, 1, 1], [3, 0, 0]])
    table = evaluation_table(result, ["a", "b"], "photos", 40)
    assert table.title == "Accuracy 42.86 %, top-5 100.00 %, loss ?"
    assert [(row.label, *row.cells) for row in table.rows] == [
        ("a", 2, 1.0, "", 0), ("b", 2, 0.5, "2", 1), ("2", 3, 0.0, "a", 3),
    ]  # fmt: skip
    assert table.totals[0].cells[:2] == (7, 3 / 7)
    lowest = evaluation_table(result, ["a", "b"], "photos", 40, lowest=2)
    assert [row.label for row in lowest.rows] == ["2", "b"]
    assert lowest.notes == ("the 2 of 3 classes with the lowest accuracies",)
