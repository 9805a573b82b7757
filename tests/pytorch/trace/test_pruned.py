"""Pruned models are counted dense, with the number of the elements that are not zero."""

import json
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.errors import ConfigError
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.tables.summary import summary_table


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)).eval()


def analysis_of(model: nn.Module) -> Analysis:
    return analyze(trace(model, (2, 3, 8, 8)))


def pruned(amount: float = 0.75) -> nn.Sequential:
    model = network()
    for module in (model[0], model[3]):
        prune.l1_unstructured(module, "weight", amount)  # type: ignore[no-untyped-call]
    return model


def removed() -> nn.Sequential:
    model = pruned()
    for module in (model[0], model[3]):
        prune.remove(module, "weight")  # type: ignore[no-untyped-call]
    return model


@pytest.mark.parametrize("make", [pruned, removed])
def test_pruned_weights_are_counted_dense_with_their_non_zero_elements(make: Callable[[], nn.Sequential]) -> None:
    model, dense = make(), analysis_of(network()).totals
    analysis = analysis_of(model)
    totals = analysis.totals
    assert (totals.params, totals.macs) == (dense.params, dense.macs)
    assert totals.params_nonzero == 216 // 4 + 8 + 2880 // 4 + 10
    assert totals.params_nonzero == sum(
        int(torch.count_nonzero(torch.as_tensor(tensor)))
        for module in (model[0], model[3])
        for tensor in (module.weight, module.bias)
    )
    assert sum(int(layer.params_nonzero or 0) for layer in analysis.layers) == totals.params_nonzero
    table = summary_table(analysis)
    assert "non-zero" in [column.title for column in table.columns]
    record = json.loads(analysis.to_json())
    assert record["totals"]["params_nonzero"] == totals.params_nonzero


def test_a_structured_and_a_shared_weight() -> None:
    model = network()
    prune.ln_structured(model[3], "weight", 0.5, n=2, dim=0)  # type: ignore[no-untyped-call]
    first, second = nn.Linear(16, 16), nn.Linear(16, 16)
    second.weight = first.weight
    with torch.no_grad():
        first.weight[:8] = 0
    tied = nn.Sequential(first, second)
    assert analysis_of(model).totals.params_nonzero == 216 + 8 + 5 * 288 + 10
    assert analyze(trace(tied, (2, 16))).totals.params_nonzero == 8 * 16 + 2 * 16


def test_other_models_have_no_such_column() -> None:
    analysis = analysis_of(network())
    assert analysis.totals.params_nonzero is analysis.layers[0].params_nonzero
    assert "params_nonzero" not in json.loads(analysis.to_json())["totals"]
    assert "non-zero" not in [column.title for column in summary_table(analysis).columns]
    with pytest.raises(ConfigError, match="exists for pruned models only"):
        summary_table(analysis, columns=["params_nonzero"])
    assert not trace(removed().to("meta"), (2, 3, 8, 8)).nonzero
    padded = nn.Sequential(nn.Embedding(100, 16, padding_idx=0), nn.Linear(16, 4))
    assert not trace(padded, torch.zeros(2, 3, dtype=torch.int64)).nonzero


def test_the_weights_of_a_model_that_is_not_pruned_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    monkeypatch.setattr(torch, "count_nonzero", lambda *_: pytest.fail("all weights were read"))
    analysis_of(model)
