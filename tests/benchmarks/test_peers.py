"""The benchmark beside other counters: its exact figures, its report, and one measurement for real."""

import re
from pathlib import Path

import msgspec
import pytest
import torch

from inception_lens.analyses.analysis import analyze
from inception_lens.benchmarks import peers
from inception_lens.benchmarks.figure import bench_figure
from inception_lens.benchmarks.graphs import LENGTHS, chain_name
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.peers import measure
from inception_lens.benchmarks.record import OURS, Bench, Measurement, read_bench
from inception_lens.benchmarks.report import markdown
from inception_lens.benchmarks.works import ANALYSIS, WORKS
from inception_lens.cli import run
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace.forward_pass import trace


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


def found(counter: str, **known: object) -> Measurement:
    return msgspec.convert({"network": "GoogLeNet", "counter": counter, **known}, Measurement)


RUN = Bench(
    date="2026-01-01",
    machine="a | b",
    versions={"Python": "3"},
    measurements=(
        found(ANALYSIS, macs=10, exact=True, seconds=0.001, process_seconds=0.1, peak_bytes=10**7),
        found(OURS, macs=10, exact=True, seconds=0.01, process_seconds=2.0, peak_bytes=3 * 10**8),
        found("quick", macs=3 * 749188096, exact=False, seconds=0.1, process_seconds=2.5, peak_bytes=10**8),
        found("right", macs=10, exact=True, seconds=0.2, process_seconds=2.6, peak_bytes=6 * 10**8),
        found("broken", error="no | luck"),
    ),
)


def test_the_best_of_the_others_with_and_without_doubt() -> None:
    assert [each.counter for each in RUN.peers("GoogLeNet")] == ["quick", "right"]
    ratios = [RUN.times("GoogLeNet", OURS, lambda each: each.seconds, exact=exact) for exact in (False, True)]
    assert ratios == [pytest.approx(10), pytest.approx(20)]
    assert RUN.times("Other", OURS, lambda each: each.seconds) is None


def test_the_report_says_ratios_what_was_aimed_at_and_what_failed() -> None:
    text = re.sub(" +", " ", markdown(RUN))
    assert "| GoogLeNet | 100.0 | 25.0 | 10.0 | 20.0 | 2.0 |" in text
    assert "| analysis of a network of ours, in process | 50 | 100.0 | GoogLeNet | met on 1 of 1 |" in text
    assert "| GoogLeNet | yes | yes | +50 % | yes | fails |" in text
    assert "- broken on GoogLeNet: no \\| luck" in text
    assert "Growth" not in text


def test_growth_is_told_where_all_lengths_were_measured() -> None:
    chains = [Measurement(network=chain_name(n), counter=OURS, seconds=n / 1000, exact=True, macs=1) for n in LENGTHS]
    text = re.sub(" +", " ", markdown(msgspec.structs.replace(RUN, measurements=(*RUN.measurements, *chains))))
    assert "| Inception Lens | 10 | 100 | 1,000 | 10,000 | 10.0 | 10.0 |" in text


def test_the_figure_shows_every_counter_of_every_network() -> None:
    figure = bench_figure(RUN)
    time, memory = figure.axes
    assert [label.get_text() for label in time.get_yticklabels()] == ["GoogLeNet"]
    assert sorted(line.get_xdata()[0] for line in time.lines if len(line.get_xdata())) == [1, 10, 100, 200]  # type: ignore[arg-type, index, type-var]
    assert memory.get_xlabel() == "peak memory (MB)"


def test_one_measurement_in_a_process_of_its_own() -> None:
    found = measure("10 modules", OURS)
    assert (found.macs, found.exact, found.error) == (NETWORKS["10 modules"].macs, True, "")
    assert found.seconds is not None
    assert found.process_seconds is not None
    assert found.seconds < found.process_seconds
    assert measure("GoogLeNet", ANALYSIS).exact


@pytest.mark.parametrize("work", WORKS)
def test_what_ours_does_without_pytorch(work: str) -> None:
    assert measure(chain_name(10), work).error == ""


def test_what_fails_on_a_chain_is_not_tried_on_a_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        peers, "measure", lambda network, counter: Measurement(network=network, counter=counter, error="x")
    )
    errors = [
        each.error for each in peers.compared([chain_name(10), chain_name(100)], ["thop"]) if each.counter == "thop"
    ]
    assert errors == ["x", "not tried, after 10 modules"]


def test_a_run_is_kept_and_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bench.json"
    path.write_bytes(msgspec.json.encode(RUN))
    for suffix in (".json", ".md", ".svg"):
        assert run(["bench", "--from", str(path), "-o", str(tmp_path / f"again{suffix}")]) == 0
    assert read_bench(str(tmp_path / "again.json")) == RUN
    assert (tmp_path / "again.md").read_text() == markdown(RUN)
    for text in ("", "{}", "[1]", "\xff"):
        path.write_text(text, encoding="latin-1")
        assert run(["bench", "--from", str(path)]) == 2
    assert capsys.readouterr().err.count("error: ") == 4


@pytest.mark.parametrize("target", ["bench.json", "bench.md", "bench.svg"])
def test_an_interrupted_run_keeps_what_it_measured(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(RUN.measurements[:2])

    def measured(network: str, counter: str) -> Measurement:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(peers, "measure", measured)
    assert run(["bench", "-o", str(tmp_path / target)]) == 130
    assert capsys.readouterr().err.endswith("interrupted: 2 measurements are written\n")
    if target == "bench.json":
        assert read_bench(str(tmp_path / target)).measurements == RUN.measurements[:2]
    assert (tmp_path / target).stat().st_size > 500


def test_an_interrupt_before_any_measurement_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(network: str, counter: str) -> Measurement:
        raise KeyboardInterrupt

    monkeypatch.setattr(peers, "measure", interrupted)
    assert run(["bench", "-o", str(tmp_path / "bench.json")]) == 130
    assert not list(tmp_path.iterdir())


def test_the_command_refuses_what_it_does_not_measure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--networks", "GoogLeNe"]) == 2
    assert "did you mean `GoogLeNet`" in capsys.readouterr().err
    assert run(["bench", "-o", "bench.txt"]) == 2
    assert "names no format" in capsys.readouterr().err
    assert run(["bench", "--from", "bench.json", "--networks", "GoogLeNet"]) == 2
    assert "--from shows an earlier run" in capsys.readouterr().err
