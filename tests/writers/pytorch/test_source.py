"""Networks as Python files: they run without this package, give the same results, and have ruff's layout."""

import ast
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

import inception_lens as il
from inception_lens import ops
from inception_lens.architectures.catalogue import names
from inception_lens.cli import run
from inception_lens.graph import Graph, Input, Metadata, Mode, Node, Output, Writer
from inception_lens.ops import OPS, TensorType
from inception_lens.pytorch.build.network import build
from inception_lens.writers.pytorch.module_paths import MAX_DEPTH
from inception_lens.writers.pytorch.source import torch_source
from tests.ops.test_table import SAMPLES

WIDTH = 0.0625


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


SMALLER = {"googlenet": 64, "inception_v2": 64, "xception": 71, "alexnet": 64, "resnet": 64, "vgg": 32}
"""Small images that save time, by prefixes of names; the other networks accept few sizes."""


def both(name: str) -> tuple[Graph, Graph]:
    size = next((size for start, size in SMALLER.items() if name.startswith(start) and "@paddle" not in name), None)
    image = (1, 3, size, size) if size else None
    training, inference = (il.load(name, image, mode=mode, width=WIDTH) for mode in ("training", "inference"))
    return training, inference


def run_source(source: str) -> nn.Module:
    """The network of a file: an instance of its last class."""
    namespace: dict[str, object] = {"__name__": "exported"}
    exec(compile(source, "exported.py", "exec"), namespace)  # noqa: S102
    last = ast.parse(source).body[-1]
    assert isinstance(last, ast.ClassDef)
    made = namespace[last.name]
    assert isinstance(made, type)
    module = made()
    assert isinstance(module, nn.Module)
    return module


def outputs(module: nn.Module, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    with torch.no_grad():
        found = module(*[each.clone() for each in inputs])
    return list(found) if isinstance(found, tuple) else [found]


def same(source: str, built: nn.Module, inputs: list[torch.Tensor], modes: tuple[bool, ...] = (False, True)) -> None:
    written = run_source(source)
    assert list(written.state_dict()) == list(built.state_dict())
    written.load_state_dict(built.state_dict())
    for training in modes:
        written.train(training)
        built.train(training)
        for mine, theirs in zip(outputs(written, inputs), outputs(built, inputs), strict=True):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", names())
def test_a_file_computes_the_same_as_the_built_network(name: str) -> None:
    training, inference = both(name)
    torch.manual_seed(0)
    built = build(training, inference)
    same(torch_source(training, inference), built, [torch.rand(2, *training.inputs[0].type.shape[1:])])


def ruff(*arguments: str) -> str:
    """The findings of ruff; skips the test if ruff is not installed."""
    pytest.importorskip("ruff")
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_all_files_have_ruff_s_layout_and_no_findings(tmp_path: Path) -> None:
    for name in names():
        (tmp_path / f"{name.replace('@', '_')}.py").write_text(torch_source(*both(name)))
    for kind, (op, inputs) in SAMPLES.items():
        if kind not in (ops.Declared, ops.Unknown):
            (tmp_path / f"op_{kind.__name__}.py").write_text(torch_source(of_one(op, inputs)))
    for arguments in (["format", "--check"], ["check"]):
        assert not ruff(*arguments, str(tmp_path))


def of_one(op: ops.Op, inputs: tuple[TensorType, ...]) -> Graph:
    given = [Input(f"input{i}", each) for i, each in enumerate(inputs or (TensorType((3, 4)),))]
    it = Node("it", op, tuple(each.name for each in given[: len(inputs)]))
    return Graph.of(given, [it], [Output("it")])


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize(
    "kind", [kind for kind in OPS if kind not in (ops.Declared, ops.Unknown)], ids=lambda kind: kind.__name__
)
def test_a_file_of_each_operation(kind: type[ops.Op]) -> None:
    op, inputs = SAMPLES[kind]
    graph = of_one(op, inputs)
    types = [given.type for given in graph.inputs]
    given = [torch.randint(0, 5, t.shape) if t.dtype == "int64" else torch.randn(t.shape) for t in types]
    same(torch_source(graph), build(graph), given, modes=(False,))


def test_repeated_modules_are_one_class_with_arguments() -> None:
    source = torch_source(*both("googlenet@torchvision"))
    assert source.count("class Inception(") == 1
    assert source.count("= Inception(\n") == 9
    assert "import inception_lens" not in source
    forward = source[source.rindex("def forward") :]
    assert "x = self.inception_4a(x)  # " in forward
    assert "        if self.training:\n            aux1 = self.aux1(x)" in forward
    assert "return x, aux1, aux2" in forward


def test_the_class_of_a_config_has_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my net.toml").write_text('base = "lenet"\nclasses = 3\n')
    assert run(["export", str(tmp_path / "my net.toml"), "--to", "torch"]) == 0
    source = capsys.readouterr().out
    assert "class MyNet(nn.Module):" in source
    assert run_source(source)(torch.rand(1, 1, 32, 32)).shape == (1, 3)


HOSTILE = [
    'a"); __import__("os").system("touch x"); ("',
    "a'b\\",
    '"""',
    "new\nline: import os",
    "#comment",
    "x/y/../z",
    "class",
    "import/def",
    "self",
    "torch",
    "nn/Tensor",
    "{0}%s${x}",
    "ünïcode/\u2028",
    "5x5/7",
    "forward/training",
    "weight",
    "a/b:1",
]


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    given = Input('in"put\n', TensorType((2, 3, 8, 8)))
    nodes, x = [], given.name
    for i, name in enumerate(HOSTILE):
        op = ops.Conv2d(3, (1, 1)) if i % 2 else ops.ReLU()
        nodes += [Node(name, op, (x,))]
        x = name
    nodes += [Node("end", ops.Concat(), (HOSTILE[0], HOSTILE[4], x))]
    graph = Graph.of([given], nodes, [Output("end")])
    hostile = Metadata('net"""\n__import__("os")', 'x\\"""\nraise SystemExit', "catalogue")
    named = msgspec.structs.replace(graph, metadata=hostile)
    for i, each in enumerate((graph, named)):
        source = torch_source(each)
        called = {
            node.func.id
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert called <= {
            "super",
            "OrderedDict",
            *(n.name for n in ast.parse(source).body if isinstance(n, ast.ClassDef)),
        }
        same(source, build(each), [torch.rand(2, 3, 8, 8)])
        (tmp_path / f"net{i}.py").write_text(source, encoding="utf-8")
    assert not ruff("format", "--check", str(tmp_path))


def test_shared_and_frozen_tensors() -> None:
    nodes = [
        Node("a", ops.Conv2d(3, (1, 1)), ("input",), ("shared.weight", "shared.bias")),
        Node("b", ops.Conv2d(3, (1, 1)), ("a",), ("shared.weight", "shared.bias")),
        Node("c", ops.Linear(2), ("b",)),
    ]
    graph = Graph.of([Input("input", TensorType((2, 3, 8, 8)))], nodes, [Output("c"), Output("a")])
    fixed = msgspec.structs.replace(graph, frozen=frozenset({"c.weight"}))
    written, built = run_source(torch_source(fixed)), build(fixed)
    for module in (written, built):
        assert module.get_parameter("a.weight") is module.get_parameter("b.weight")
        assert not module.get_parameter("c.weight").requires_grad
    same(torch_source(fixed), built, [torch.rand(2, 3, 8, 8)])


def test_another_dtype() -> None:
    module = run_source(torch_source(il.load("lenet").with_dtype("bfloat16")))
    assert {p.dtype for p in module.parameters()} == {torch.bfloat16}


def test_interleaved_blocks_are_called_part_by_part() -> None:
    """`b` runs between the parts of `a`, and `a/conv` is read from outside before its relu."""
    nodes = [
        Node("a/conv", ops.Conv2d(4, (3, 3)), ("input",)),
        Node("b/conv", ops.Conv2d(4, (1, 1)), ("a/conv",)),
        Node("a/conv/relu", ops.ReLU(), ("a/conv",)),
        Node("a/sum", ops.Add(), ("b/conv", "a/conv/relu")),
        Node("b/conv/bn", ops.BatchNorm2d(), ("a/sum",)),
        Node("lstm", ops.MaxPool2d((2, 2), (2, 2), indices=True), ("b/conv/bn",)),
    ]
    graph = Graph.of(
        [Input("input", TensorType((2, 3, 8, 8)))], nodes, [Output("lstm"), Output("lstm:1"), Output("a/sum")]
    )
    same(torch_source(graph), build(graph), [torch.rand(2, 3, 8, 8)])


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_a_file_of_one_graph(mode: Mode) -> None:
    graph = il.load("googlenet", (1, 3, 64, 64), mode=mode, width=WIDTH)
    same(torch_source(graph), build(graph), [torch.rand(2, 3, 64, 64)])


def test_an_unknown_operation_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(il.InceptionLensError, match="does not define what custom computes"):
        torch_source(of_one(ops.Unknown("custom", (TensorType((1,)),)), ()))


@pytest.mark.parametrize("apart", [False, True])
def test_modules_at_the_maximum_depth(apart: bool) -> None:
    above = "/".join("a" * (MAX_DEPTH - 1))
    net = Writer([Input("x", TensorType((1, 3, 4, 4)))])
    first = net.add(f"{above}/first", ops.Conv2d(4, (1, 1)), "x")
    second = net.add(f"{above}/second", ops.Conv2d(4, (1, 1)), first)
    last = net.add(f"{above}/sum", ops.Add(), first, second) if apart else second
    assert outputs(run_source(torch_source(net.graph([Output(last)]))), [torch.zeros(1, 3, 4, 4)])[0].shape == (
        1,
        4,
        4,
        4,
    )
