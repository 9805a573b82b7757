"""The benchmark: exact MACs, ratios, report, figure and command."""

import compileall
import os
from pathlib import Path

import msgspec
import pytest
import torch

from inception_lens.analyses.analysis import analyze
from inception_lens.benchmarks import peers, startup
from inception_lens.benchmarks.figure import bench_figure
from inception_lens.benchmarks.graphs import GRAPHS, LENGTHS, chain_name
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.peers import BenchPart, measure
from inception_lens.benchmarks.record import LENS, Bench, Measurement, read_bench
from inception_lens.benchmarks.startup import CommandTime
from inception_lens.benchmarks.tables import bench_table
from inception_lens.benchmarks.targets import TARGETS
from inception_lens.benchmarks.tasks import ANALYSIS, TASKS
from inception_lens.cli import run
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.renderers.tables import csv


@pytest.mark.parametrize("name", [name for name in NETWORKS if "000" not in name])
def test_the_exact_macs_of_a_network(name: str) -> None:
    network = NETWORKS[name]
    with torch.device("meta"):
        module = network.make().eval()
    inputs = {
        key: TensorType(shape, "int64" if key.endswith("input_ids") else "float32")
        for key, shape in network.inputs.items()
    }
    graph = trace(module, inputs if "input_ids" in inputs else tuple(inputs.values()))
    assert analyze(graph).totals.macs == network.macs


def measurement(counter: str, **known: object) -> Measurement:
    return msgspec.convert({"network": "GoogLeNet", "counter": counter, **known}, Measurement)


RUN = Bench(
    date="2026-01-01",
    machine="a | b",
    versions={"Python": "3"},
    measurements=(
        measurement(ANALYSIS, macs=10, exact=True, seconds=0.001, process_seconds=0.1, peak_bytes=10**7),
        measurement(
            LENS, macs=10, exact=True, first_seconds=0.02, seconds=0.01, process_seconds=2.0, peak_bytes=3 * 10**8
        ),
        measurement("quick", macs=3 * 749188096, exact=False, seconds=0.1, process_seconds=2.5, peak_bytes=10**8),
        measurement(
            "right", macs=10, exact=True, first_seconds=0.22, seconds=0.2, process_seconds=2.6, peak_bytes=6 * 10**8
        ),
        measurement("broken", error="no | luck"),
    ),
)


def test_ratios_to_the_best_other_tool() -> None:
    assert [each.counter for each in RUN.peers("GoogLeNet")] == ["quick", "right"]
    ratios = [RUN.ratio("GoogLeNet", LENS, lambda each: each.seconds, exact=exact) for exact in (False, True)]
    assert ratios == [pytest.approx(10), pytest.approx(20)]
    assert RUN.ratio("Other", LENS, lambda each: each.seconds) is None


def test_the_report_has_ratios_targets_and_failures() -> None:
    targets, *further = bench_table(RUN)
    assert targets.rows[0].cells[:2] == pytest.approx((100, 100))
    assert targets.rows[0].cells[2:] == ("GoogLeNet", 1, 1)
    cells = {table.key: table.rows[0].cells for table in further}
    assert cells["ratios"] == pytest.approx((100, 25, 10, 20, 11, 2))
    assert cells["exact"] == ("exact", "exact", "+50 %", "exact", "fails")
    assert cells["seconds"] == (0.001, 0.01, 0.1, 0.2, "")
    assert cells["failures"] == ("broken", "no | luck")
    assert {"growth", "commands", "nodes"}.isdisjoint(cells)


def test_every_missed_target_is_listed() -> None:
    (missed,) = [table for table in bench_table(RUN) if table.key == "missed"]
    assert [(row.label, row.cells[0]) for row in missed.rows] == [("GoogLeNet", "traced, cold")]
    assert missed.rows[0].cells[1:] == pytest.approx((12, 11))


def test_every_network_has_targets_and_no_others_have() -> None:
    traced = next(target for target in TARGETS if target.column == "traced, hot")
    analysis = next(target for target in TARGETS if target.column == "analysis")
    assert set(traced.minimum) == set(NETWORKS)
    assert set(analysis.minimum) == set(GRAPHS)


def test_memory_per_node_is_reported_with_its_limit() -> None:
    each = Measurement(network=chain_name(1000), counter=ANALYSIS, bytes_per_node=264.6)
    run_ = msgspec.structs.replace(RUN, measurements=(each,))
    (table,) = [table for table in bench_table(run_) if table.key == "nodes"]
    assert table.rows[0].cells == (ANALYSIS, 300, 265)


@pytest.mark.parametrize("cached", [True, False])
def test_commands_are_compared_with_the_import_of_torch(cached: bool) -> None:
    each = CommandTime("list", seconds=0.06, torch_seconds=1.2, bytecode_cached=cached)
    (table,) = [
        table for table in bench_table(msgspec.structs.replace(RUN, commands=(each,))) if table.key == "commands"
    ]
    assert table.rows[0].cells == pytest.approx((0.06, 0.05, 0.08))
    assert ("was not cached" in table.notes[0]) is not cached


def test_commands_are_measured_in_turns_and_the_first_round_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def elapsed(command: list[str], folder: str) -> float:
        assert Path(folder).is_dir()
        calls.append(command[-1])
        return 100 if len(calls) <= len(startup.LIMITS) + 1 else 2 if command[-1] == "import torch" else 0.1

    monkeypatch.setattr(startup, "elapsed", elapsed)
    found = startup.command_times(rounds=2)
    assert [each.command for each in found] == list(startup.LIMITS)
    assert {each.ratio for each in found} == {0.05}
    assert len(calls) == 3 * (len(startup.LIMITS) + 1)


def test_bytecode_is_cached_if_no_module_is_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module.py").write_text("x = 1\n")
    monkeypatch.setattr("inception_lens.__path__", [str(tmp_path)])
    assert not startup.bytecode_is_cached()
    compileall.compile_dir(tmp_path, quiet=1)
    assert startup.bytecode_is_cached()
    os.utime(tmp_path / "module.py", (2**31, 2**31))
    assert not startup.bytecode_is_cached()


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (None, [*TASKS, LENS, "thop"]),
        ("static", [*TASKS, "thop"]),
        ("traced", [LENS, "thop"]),
        ("startup", []),
        ("memory", []),
    ],
)
def test_a_part_of_the_report_is_measured_alone(
    part: BenchPart | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "measure", lambda network, counter: Measurement(network=network, counter=counter))
    found = [each.counter for each in peers.measure_all(["GoogLeNet"], [LENS, "thop"], part)]
    assert found == expected
    if part == "memory":
        chains = [each.counter for each in peers.measure_all([chain_name(1000)], [LENS, "thop"], part)]
        assert chains == [ANALYSIS, LENS, "thop"]


def test_growth_is_reported_if_all_lengths_were_measured() -> None:
    chains = [Measurement(network=chain_name(n), counter=LENS, seconds=n / 1000, exact=True, macs=1) for n in LENGTHS]
    table = bench_table(msgspec.structs.replace(RUN, measurements=(*RUN.measurements, *chains)))
    (growth,) = [each for each in table if each.key == "growth"]
    assert growth.rows[-1].label == LENS
    assert growth.rows[-1].cells == pytest.approx((0.01, 0.1, 1, 10, 10, 10))


def test_the_figure_shows_every_counter_of_every_network() -> None:
    figure = bench_figure(RUN)
    time, memory = figure.axes
    assert [label.get_text() for label in time.get_yticklabels()] == ["GoogLeNet"]
    assert sorted(line.get_xdata()[0] for line in time.lines if len(line.get_xdata())) == [1, 10, 100, 200]  # type: ignore[arg-type, index, type-var]
    assert memory.get_xlabel() == "peak memory (MB)"


def test_one_measurement_in_a_process_of_its_own() -> None:
    result = measure("10 modules", LENS)
    assert (result.macs, result.exact, result.error) == (NETWORKS["10 modules"].macs, True, "")
    assert result.seconds is not None
    assert result.process_seconds is not None
    assert result.seconds < result.process_seconds
    assert result.first_seconds is not None
    assert measure("GoogLeNet", ANALYSIS).exact


@pytest.mark.parametrize("task", TASKS)
def test_tasks_of_inception_lens(task: str) -> None:
    assert measure(chain_name(10), task).error == ""


def test_a_counter_that_fails_on_a_chain_is_not_run_on_a_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        peers, "measure", lambda network, counter: Measurement(network=network, counter=counter, error="x")
    )
    errors = [
        each.error for each in peers.measure_all([chain_name(10), chain_name(100)], ["thop"]) if each.counter == "thop"
    ]
    assert errors == ["x", "skipped after the error on 10 modules"]


def test_a_run_is_written_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bench.json"
    path.write_bytes(msgspec.json.encode(RUN))
    for suffix in (".json", ".csv", ".svg"):
        assert run(["bench", "--from", str(path), "-o", str(tmp_path / f"again{suffix}")]) == 0
    assert read_bench(str(tmp_path / "again.json")) == RUN
    assert (tmp_path / "again.csv").read_text() == csv.render(bench_table(RUN))
    for text in ("", "{}", "[1]", "\xff"):
        path.write_text(text, encoding="latin-1")
        assert run(["bench", "--from", str(path)]) == 2
    assert capsys.readouterr().err.count("error: ") == 4


@pytest.mark.parametrize("target", ["bench.json", "bench.md", "bench.svg"])
def test_an_interrupted_run_writes_its_measurements(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(RUN.measurements[:2])

    def measured(network: str, counter: str) -> Measurement:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(peers, "measure", measured)
    monkeypatch.setattr(startup, "command_times", list)
    assert run(["bench", "-o", str(tmp_path / target)]) == 130
    assert capsys.readouterr().err.endswith("interrupted: 2 measurements are written\n")
    if target == "bench.json":
        assert read_bench(str(tmp_path / target)).measurements == RUN.measurements[:2]
    assert (tmp_path / target).stat().st_size > 500


def test_an_interrupt_before_any_measurement_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(network: str, counter: str) -> Measurement:
        raise KeyboardInterrupt

    monkeypatch.setattr(peers, "measure", interrupted)
    monkeypatch.setattr(startup, "command_times", list)
    assert run(["bench", "-o", str(tmp_path / "bench.json")]) == 130
    assert not list(tmp_path.iterdir())


def test_invalid_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--networks", "GoogLeNe"]) == 2
    assert "did you mean `GoogLeNet`" in capsys.readouterr().err
    assert run(["bench", "-o", "bench.xyz"]) == 2
    assert "unknown suffix" in capsys.readouterr().err
    assert run(["bench", "--from", "bench.json", "--networks", "GoogLeNet"]) == 2
    assert "cannot be used with --from" in capsys.readouterr().err
