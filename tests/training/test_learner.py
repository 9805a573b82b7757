"""A step equals that of a plain training loop, however the batch is split."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inception_lens.cli.training.networks import networks_of
from inception_lens.errors import CheckpointError
from inception_lens.graph import Input, Output, Writer
from inception_lens.ops import Flatten, Linear, Softmax, TensorType
from inception_lens.training.learner import CONSECUTIVE, SKIPPED, Learner
from inception_lens.training.networks import Networks, log_probabilities, loss_weights, output_kind
from inception_lens.training.recipe import Recipe
from inception_lens.training.recipe_file import read_recipe, with_changes
from inception_lens.training.run.processes import Processes
from tests.training.tiny import CLASSES

CPU = torch.device("cpu")
Changes = dict[str, Any]


@pytest.fixture
def tiny(recipe: Path) -> Callable[..., tuple[Recipe, Networks]]:
    def load(network: Changes | None = None, **changes: Any) -> tuple[Recipe, Networks]:
        found = with_changes(read_recipe(str(recipe)), {**changes, "network": network or {}})
        return found, networks_of(found, CLASSES)

    return load


def batch(count: int = 16) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(count, 3, 16, 16, generator=draw).contiguous(memory_format=torch.channels_last)
    return x, torch.arange(count) % CLASSES


def new_learner(tiny: tuple[Recipe, Networks]) -> Learner:
    learner = Learner(tiny[1], tiny[0], Processes(), CPU)
    learner.network.train()
    return learner


def test_steps_are_those_of_a_plain_loop(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    still = {"dropout": 0.0, "aux_head": {"pool": "adaptive", "pool_size": 1, "fc": 64, "dropout": 0.0}}
    optimizer = {"learning_rate": 0.1, "weight_decay": 1e-3, "decay": "all", "momentum": 0.9}
    recipe, networks = tiny(still, optimizer=optimizer, schedule={"name": "constant"})
    mine, plain = new_learner((recipe, networks)), networks.build(recipe.seed).train()
    sgd = torch.optim.SGD(plain.parameters(), 0.1, 0.9, weight_decay=1e-3, nesterov=True)
    x, labels = batch()
    for step in range(4):
        mine.step(step, 4, [(x, labels)])
        outputs = plain(x)
        loss = sum(w * nn.functional.cross_entropy(o, labels) for w, o in zip((1, 0.3), outputs, strict=True))
        sgd.zero_grad()
        loss.backward()  # type: ignore[union-attr]
        sgd.step()
    for (name, ours), theirs in zip(mine.network.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5, msg=name)


def test_parts_add_up_to_the_full_batch(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    still = {"norm": "none", "bias": True, "dropout": 0.0, "aux": "none"}
    full, split = (new_learner(tiny(still)) for _ in range(2))
    x, labels = batch()
    for step in range(3):
        full.step(step, 4, [(x, labels)])
        split.step(step, 4, list(zip(x.chunk(4), labels.chunk(4), strict=True)))
    for ours, theirs in zip(full.network.parameters(), split.network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(full.totals, split.totals)


def test_dropout_is_a_function_of_the_step(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    one, other = new_learner(tiny()), new_learner(tiny())
    one.step(0, 4, [batch()])
    torch.rand(100)  # other draws do not matter
    other.step(0, 4, [batch()])
    assert all(torch.equal(a, b) for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True))
    again = new_learner(tiny(seed=1))
    assert not torch.equal(next(again.network.parameters()), next(new_learner(tiny()).network.parameters()))


@pytest.mark.parametrize("name", ["sgd", "adamw", "rmsprop"])
def test_a_saved_state_is_complete(tiny: Callable[..., tuple[Recipe, Networks]], name: str) -> None:
    options = {"optimizer": {"name": name, "learning_rate": 0.01}, "engine": {"ema": 0.9}}
    through, before = new_learner(tiny(**options)), new_learner(tiny(**options))
    for step in range(3):
        through.step(step, 4, [batch()])
    before.step(0, 4, [batch()])
    after = new_learner(tiny(**options))
    after.load(before.state())
    for step in (1, 2):
        after.step(step, 4, [batch()])
    ours, theirs = after.state(), through.state()
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_state_of_another_network_is_refused(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    state = new_learner(tiny()).state()
    with pytest.raises(CheckpointError, match="another network"):
        new_learner(tiny({"width": 0.08})).load(state)
    with pytest.raises(CheckpointError, match="another network or recipe"):
        new_learner(tiny(engine={"ema": 0.9})).load(state)


def test_the_average_follows_the_weights(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    learner = new_learner(tiny(engine={"ema": 0.5}, schedule={"name": "constant"}))
    name, weight = next(iter(learner.network.named_parameters()))
    learner.step(0, 4, [batch()])
    expected = weight.detach().clone()  # the average starts as a copy
    for step in (1, 2):
        learner.step(step, 4, [batch()])
        expected = 0.5 * expected + 0.5 * weight.detach()
    torch.testing.assert_close(dict(learner.evaluated_network.named_parameters())[name].detach(), expected)
    assert learner.evaluated_network is not learner.network


def test_a_gradient_is_clipped(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    learner = new_learner(tiny(optimizer={"clip": 1e-3}))
    learner.step(0, 4, [batch()])
    norm = nn.utils.get_total_norm([p.grad for p in learner.network.parameters() if p.grad is not None])
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_decay_of_weights_excludes_biases_and_norms(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    groups = new_learner(tiny(optimizer={"decay": "weights", "weight_decay": 0.1})).optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(p.dim() > 1 for p in groups[0]["params"])
    assert all(p.dim() == 1 for p in groups[1]["params"])


def test_loss_weights_of_the_heads(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    training = tiny()[1].training
    assert loss_weights(training, "network") == (1.0, 0.3)
    assert loss_weights(training, 0.7) == (1.0, 0.7)


def test_divergence_is_detected(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    learner = new_learner(tiny())
    assert learner.diverged() == 0
    learner.totals[CONSECUTIVE] = learner.recipe.engine.skip_limit
    assert learner.diverged() == 1
    learner.totals.zero_()
    next(learner.network.buffers())[0] = float("nan")
    assert learner.diverged() == 1


def test_precision_and_compilation_follow_the_recipe(
    tiny: Callable[..., tuple[Recipe, Networks]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[nn.Module] = []

    def compile_(network: nn.Module) -> nn.Module:
        compiled.append(network)
        return network

    monkeypatch.setattr(torch, "compile", compile_)
    learner = new_learner(tiny(engine={"precision": "bfloat16", "compile": True}))
    assert compiled == [learner.network]
    seen: list[torch.dtype] = []
    first = next(module for module in learner.network.modules() if isinstance(module, nn.Conv2d))
    first.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    learner.step(0, 4, [batch()])
    assert seen == [torch.bfloat16]
    assert {p.dtype for p in learner.network.parameters()} == {torch.float32}


def test_log_probabilities_of_every_kind_of_output(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    _, networks = tiny()
    assert (output_kind(networks.training), output_kind(networks.inference)) == ("logits", "probabilities")
    logits = torch.randn(3, 4)
    expected = logits.log_softmax(1)
    torch.testing.assert_close(log_probabilities(logits, "logits"), expected)
    torch.testing.assert_close(log_probabilities(logits.softmax(1), "probabilities"), expected)
    torch.testing.assert_close(log_probabilities(expected, "log_probabilities"), expected)


def test_label_smoothing(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    learner = new_learner(tiny({"aux": "none", "dropout": 0.0}, loss={"label_smoothing": 0.1}))
    x, labels = batch()
    loss, correct = learner.forward_backward(x, labels)
    outputs = learner.network(x)
    scores = outputs[0] if isinstance(outputs, tuple) else outputs
    expected = nn.functional.cross_entropy(scores, labels, label_smoothing=0.1)
    torch.testing.assert_close(loss, expected.detach())
    assert int(correct) == int((scores.argmax(1) == labels).sum())


def test_a_network_that_ends_in_probabilities() -> None:
    net = Writer([Input("x", TensorType((1, 3, 16, 16)))])
    x = net.add("softmax", Softmax(), net.add("fc", Linear(CLASSES), net.add("flatten", Flatten(), "x")))
    graph = net.graph([Output(x)])
    learner = new_learner((Recipe(), Networks(graph, graph, "pytorch")))
    images, labels = batch()
    loss, _ = learner.forward_backward(images, labels)
    probabilities = learner.network(images)
    torch.testing.assert_close(loss, nn.functional.nll_loss(probabilities.log(), labels).detach())


def test_skipped_steps_are_counted_until_one_is_not_skipped(tiny: Callable[..., tuple[Recipe, Networks]]) -> None:
    learner = new_learner(tiny())
    x, labels = batch()
    counts = []
    for value in (float("inf"), float("nan"), 1.0, float("inf")):
        learner.step(0, 4, [(value * x, labels)])
        counts.append(learner.totals[[SKIPPED, CONSECUTIVE]].tolist())
    assert counts == [[1, 1], [2, 2], [2, 0], [3, 1]]
