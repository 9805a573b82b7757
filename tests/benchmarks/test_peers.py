"""The benchmark beside other counters: its exact figures, its report, and one measurement for real."""

import pytest
import torch

from inception_lens.analyses.analysis import analyze
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.peers import OURS, STATIC, Measurement, fastest, measure, measure_static
from inception_lens.benchmarks.report import markdown
from inception_lens.cli import run
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace import trace


@pytest.mark.parametrize("name", [name for name in NETWORKS if "000" not in name])
def test_the_exact_figure_of_a_network(name: str) -> None:
    network = NETWORKS[name]
    with torch.device("meta"):
        module = network.make().eval()
    inputs = {
        key: TensorType(shape, "int64" if key == "input_ids" else "float32") for key, shape in network.inputs.items()
    }
    graph = trace(module, inputs if "input_ids" in inputs else tuple(inputs.values()))
    assert analyze(graph).totals.macs == network.macs


FOUND = [
    Measurement(
        network="Net", counter=STATIC, macs=10, exact=True, seconds=0.001, process_seconds=0.1, peak_bytes=10**7
    ),
    Measurement(
        network="Net", counter=OURS, macs=10, exact=True, seconds=0.01, process_seconds=2.0, peak_bytes=3 * 10**8
    ),
    Measurement(network="Net", counter="quick", macs=11, exact=False, seconds=0.1, process_seconds=2.5),
    Measurement(network="Net", counter="right", macs=10, exact=True, seconds=0.2, process_seconds=2.6),
    Measurement(network="Net", counter="broken", error="no | luck"),
]


def test_the_fastest_of_the_others_with_and_without_doubt() -> None:
    found = [fastest(FOUND, "Net", exact=exact) for exact in (False, True)]
    assert [each and each.counter for each in found] == ["quick", "right"]
    assert fastest(FOUND, "Other", exact=False) is None


def test_the_report_says_ratios_and_what_failed() -> None:
    text = markdown(FOUND, "2026-01-01")
    assert "| Net | 100.0 | 10.0 | 20.0 | 25.0 |" in text
    assert "| Net | yes | yes | 0.0000 G | yes | fails |" in text
    assert "- broken on Net: no \\| luck" in text


def test_one_measurement_in_a_process_of_its_own() -> None:
    found = measure("10 modules", OURS)
    assert (found.macs, found.exact, found.error) == (NETWORKS["10 modules"].macs, True, "")
    assert found.seconds is not None
    assert found.process_seconds is not None
    assert found.seconds < found.process_seconds
    static = measure_static("GoogLeNet")
    assert static is not None
    assert (static.exact, static.macs) == (True, NETWORKS["GoogLeNet"].macs)
    assert measure_static("BERT base") is None


def test_the_command_refuses_what_it_does_not_measure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--networks", "GoogLeNe"]) == 2
    assert "did you mean `GoogLeNet`" in capsys.readouterr().err
    assert run(["bench", "-o", "bench.png"]) == 2
    assert "written as .md or .json" in capsys.readouterr().err
