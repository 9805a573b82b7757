"""PyTorch agrees with the savings, and finds what is wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import inception_lens as il
from inception_lens.analyses.analysis import analyze
from inception_lens.analyses.machines import machine
from inception_lens.analyses.savings.branch import Branch, branch_savings
from inception_lens.analyses.savings.changes import what_if
from inception_lens.analyses.savings.figures import Counted
from inception_lens.analyses.savings.network import Saving, Savings
from inception_lens.analyses.savings.proofs import Proof, Recount, networks
from inception_lens.cli import run
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import BatchNorm1d, BatchNorm2d, Conv2d, ConvTranspose2d, Linear, Op, ReLU, TensorType
from inception_lens.pytorch.verify import savings as prove
from inception_lens.renderers.tables import text as text_writer
from inception_lens.rewrites.batch_norm import folded_batch_norms
from inception_lens.tables.savings.proof import proof_tables
from tests.rewrites.rewriting import rewrite

SMALL: dict[str, dict[str, Any]] = {
    "googlenet": {"width": 0.25, "input": "3x64x64"},
    "googlenet@torchvision": {"width": 0.25, "input": "3x64x64"},
    "inception_v2": {"width": 0.125, "input": "3x128x128"},
    "inception_v3": {"width": 0.125, "input": "3x107x107"},
    "inception_resnet_v2": {"width": 0.125, "input": "3x107x107"},
    "xception": {"width": 0.125, "input": "3x107x107"},
    "resnet50": {"width": 0.125, "input": "3x64x64"},
    "vgg16": {"width": 0.125, "input": "3x64x64"},
    "nin": {"width": 0.25, "input": "3x128x128"},
}


def small(name: str, kinds: tuple[str, ...] = ("all",)) -> Savings:
    return il.savings(name, kinds=kinds, overrides=SMALL[name])


def of(*ops: tuple[str, Op], shape: tuple[int, ...]) -> Saving:
    names = ["x", *(name for name, _ in ops)]
    nodes = [Node(name, op, (names[i],)) for i, (name, op) in enumerate(ops)]
    found = il.savings(Graph.of([Input("x", TensorType(shape))], nodes, [Output(names[-1])]), kinds=["batch-norm"])
    saving = found.of("batch-norm")
    assert saving is not None
    return saving


@pytest.mark.parametrize("name", list(SMALL))
def test_flop_counter_and_modules_agree_on_every_rewrite(name: str) -> None:
    found = networks(small(name))
    assert len(found) > 2
    checks = prove.recounted(found)
    assert [check.network for check in checks] == list(found)
    assert [check for check in checks if not check.agrees] == []


def test_the_article_and_a_changed_width() -> None:
    branch = Branch(in_channels=192, out_channels=96, kernel=(5, 5), reduce=32, size=(28, 28), bias=True)
    direct, reduced = prove.recounted(networks(branch_savings(branch)))
    assert (direct.params_of_modules, direct.macs_of_flop_counter) == (460_896, 361_267_200)
    assert reduced.agrees
    changed = what_if(il.load("googlenet", width=0.25, input="3x64x64"), {"inception_3a/1x1": 5}, machine())
    assert all(check.agrees for check in prove.recounted(networks(changed)))


@pytest.mark.parametrize(
    "saving",
    [
        of(("c", Conv2d(8, (3, 3), bias=False)), ("n", BatchNorm2d(1e-3)), ("r", ReLU()), shape=(2, 6, 9, 9)),
        of(("c", Conv2d(8, (3, 3), groups=2)), ("n", BatchNorm2d(scale=False)), shape=(2, 6, 9, 9)),
        of(("c", ConvTranspose2d(8, (3, 3), (2, 2))), ("n", BatchNorm2d()), shape=(2, 6, 5, 5)),
        of(("c", ConvTranspose2d(8, (3, 3), groups=2, bias=False)), ("n", BatchNorm2d()), shape=(2, 6, 5, 5)),
        of(("l", Linear(8)), ("n", BatchNorm1d(scale=False, shift=False)), shape=(4, 6)),
    ],
)
def test_a_folded_norm_computes_the_same(saving: Saving) -> None:
    found = prove.folded(saving)
    assert found.agrees
    assert found.norms == 1
    assert found.largest_output > 0.1


@pytest.mark.parametrize("name", ["googlenet@torchvision", "inception_v3", "resnet50", "xception"])
def test_a_folded_network_computes_the_same(name: str) -> None:
    saving = small(name, ("batch-norm",)).of("batch-norm")
    assert saving is not None
    found = prove.folded(saving)
    assert found.norms == len(saving.sites) > 30
    assert 0 < found.largest_difference <= 1e-9 * found.largest_output


@pytest.mark.parametrize(
    "wrong",
    [
        lambda weight, bias, mean: (weight * 1.0001, bias),
        lambda weight, bias, mean: (weight, bias + 1e-4 * mean),
    ],
)
def test_a_wrong_fold_is_found(monkeypatch: pytest.MonkeyPatch, wrong: Callable[..., tuple[Tensor, Tensor]]) -> None:
    fold: Callable[[nn.Module, nn.Module], tuple[Tensor, Tensor]] = vars(prove)["_fold"]

    def first_wrong(layer: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
        weight, bias = fold(layer, norm)
        mean = norm.running_mean
        first = isinstance(layer, nn.Conv2d) and layer.in_channels == 3
        return wrong(weight, bias, mean) if first else (weight, bias)

    saving = small("googlenet@torchvision", ("batch-norm",)).of("batch-norm")
    assert saving is not None
    monkeypatch.setattr(prove, "_fold", first_wrong)
    assert not prove.folded(saving).agrees


def test_a_wrong_count_is_found() -> None:
    graph = il.load("lenet")
    wrong = Counted(rewrite(folded_batch_norms, graph), machine()).analysis
    lied = analyze(il.load("lenet", classes=11))
    (check,) = prove.recounted({"lenet": wrong})
    assert check.agrees
    assert not Recount(
        network="", params=check.params, params_of_modules=1, macs=lied.totals.macs, macs_of_flop_counter=check.macs
    ).agrees


def test_checks_do_not_change_the_random_state() -> None:
    saving = of(("c", Conv2d(8, (3, 3))), ("n", BatchNorm2d()), shape=(1, 3, 9, 9))
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    prove.folded(saving)
    assert torch.equal(torch.rand(3), wanted)


def test_times() -> None:
    branch = Branch(in_channels=4, out_channels=4, kernel=(3, 3), reduce=2, size=(8, 8))
    times = prove.timed(networks(branch_savings(branch)), "cpu")
    assert [each.network for each in times] == ["direct", "reduced"]
    for each in times:
        assert 0 < each.fastest <= each.seconds <= each.slowest
        assert each.runs >= prove.MIN_RUNS
        assert each.device.startswith("cpu")
    text = "".join([text_writer.render(each, unicode=False) for each in proof_tables(Proof(measured=times))])
    assert "measured on cpu" in text
    assert text.isascii()


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    article = ["--in", "192", "--out", "96", "--kernel", "5", "--reduce", "32", "--size", "28"]
    assert run(["savings", *article, "--verify", "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [each["agrees"] for each in record["verified"]] == [True, True]
    assert set(record) == {"direct", "reduced", "ratio", "verified"}
    model = ["googlenet@torchvision", "--set", "width=0.25", "--set", "input=64"]
    assert run(["savings", *model, "--kind", "batch-norm", "--verify"]) == 0
    out = capsys.readouterr().out
    assert "counted again in PyTorch" in out
    assert "batch norms folded in float64" in out
    assert "DIFFERS" not in out


def test_a_failed_check_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lie = Recount(network="direct", params=1, params_of_modules=2, macs=3, macs_of_flop_counter=3)
    monkeypatch.setattr(prove, "recounted", lambda found: (lie,))
    assert run(["savings", "--in", "2", "--out", "2", "--kernel", "3", "--reduce", "1", "--size", "4", "--verify"]) == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_checks_are_rows_of_csv_and_have_no_figure(capsys: pytest.CaptureFixture[str]) -> None:
    checked = ["savings", "lenet", "--measure", "--device", "cpu", "--format"]
    assert run([*checked, "csv"]) == 0
    assert capsys.readouterr().out.startswith("network,seconds,fastest,slowest,runs\nlenet,")
    assert run([*checked, "svg"]) == 2
    assert capsys.readouterr().err.startswith("error: --verify and --measure have no figure")
