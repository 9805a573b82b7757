"""Misbehaving models: each is traced or refused with one line, and left unchanged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import inception_lens as il
from inception_lens.errors import InceptionLensError
from tests.attack.harness import COUNTS, ROOT, WALL_SECONDS, Outcome, check, environment, time_limit
from tests.attack.test_names import NAMES

TARGET = "models"


class Calls(nn.Module):
    """A module whose forward pass is the given function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def trace_or_refuse(module: Any, inputs: Any = (1, 3, 8, 8)) -> il.Analysis | None:
    """The analysis, or None if an error of this package refuses the model."""
    COUNTS[TARGET] += 1
    with time_limit(60):
        try:
            analysis = il.analyze(module, inputs)
        except InceptionLensError as error:
            assert str(error)
            return None
    analysis.to_json()
    return analysis


def raises(error: Any) -> Any:
    def function(self: Calls, x: Tensor) -> Any:
        raise error

    return function


def grows(self: Calls, x: Tensor) -> Tensor:
    self.add_module(f"more{len(self._modules)}", nn.Conv2d(4, 4, 1))
    out: Tensor = next(reversed(list(self.children())))(self.layer(x))
    return out


def replaces(self: Calls, x: Tensor) -> Tensor:
    self.layer = nn.Conv2d(3, 5, 1)
    out: Tensor = self.layer(x)
    return out


def deletes(self: Calls, x: Tensor) -> Tensor:
    out: Tensor = self.layer(x)
    del self.layer
    return out


def loops(self: Calls, x: Tensor) -> Tensor:
    total = x
    while total.sum() < 1e5:
        total = total + 1
    return total


def by_value(self: Calls, x: Tensor) -> Tensor:
    return x[: int(x.max().item())] if x.mean() > 0 else x.nonzero()


def counts(self: Calls, x: Tensor) -> Tensor:
    for _ in range(3_000):
        x = x + 1
    return x


def in_threads(self: Calls, x: Tensor) -> Tensor:
    import threading

    found: list[Tensor] = []
    thread = threading.Thread(target=lambda: found.append(self.layer(x)))
    thread.start()
    thread.join()
    return found[0]


def recursive(self: Calls, x: Tensor) -> Any:
    return recursive(self, x)


def itself(self: Calls, x: Tensor) -> Any:
    return self(x)


FORWARDS: dict[str, Any] = {
    **{f"raises {type(e).__name__}": raises(e) for e in (
        ValueError("x"), ValueError(), KeyError(None), RuntimeError("two\nlines\x1b[2J"), StopIteration(), MemoryError(), RecursionError(),
        AssertionError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), OSError(28, "full"), SystemExit(3),
        NotImplementedError(), TypeError("x" * 100_000), ImportError("nowhere"), ZeroDivisionError(), Warning("x"))},
    **{f"returns {value!r:.20}": (lambda self, x, value=value: value) for value in (
        None, 1, "text", b"", [], (), {}, object(), float("nan"), range(3), Exception("x"), nn.ReLU(), torch.ones(2), "\ud800", ...)},
    "returns itself": lambda self, x: self,
    "returns its class": lambda self, x: Calls,
    "returns a function": lambda self, x: self.layer.forward,
    "returns a generator": lambda self, x: (self.layer(x) for _ in range(3)),
    "returns its input": lambda self, x: x,
    "returns odd keys": lambda self, x: {None: self.layer(x), 3: x, ("a", 1): x, "a.b/c": x},
    "returns deep": lambda self, x: [[[[{"a": (self.layer(x),)}]]]],
    "returns its weight": lambda self, x: self.layer.weight,
    "returns a new tensor": lambda self, x: torch.zeros(3),
    "returns a view twice": lambda self, x: (x.view(-1), x.view(-1)),
    "in place": lambda self, x: x.add_(1).mul_(2).relu_(),
    "writes into a slice": lambda self, x: x.index_fill_(1, torch.tensor([0]), 3.0),
    "without elements": lambda self, x: x[:0],
    "to numpy": lambda self, x: torch.from_numpy(x.numpy()),
    "to a list": lambda self, x: torch.tensor(x.tolist()),
    "to a pointer": lambda self, x: x.data_ptr() and x,
    "backward inside": lambda self, x: (self.layer(x).sum().backward(), x)[1],
    "no gradient": lambda self, x: torch.no_grad()(self.layer)(x),
    "training switched": lambda self, x: self.train(not self.training).layer(x),
    "global dtype": lambda self, x: (self.layer(x.double().float())),
    "a hook": lambda self, x: (self.layer.register_forward_hook(lambda m, i, o: o + 1), self.layer(x))[1],
    "other device": lambda self, x: x.to("meta"), "cuda": lambda self, x: x.cuda(), "sparse": lambda self, x: x.to_sparse(),
    "complex": lambda self, x: torch.fft.fft2(x).abs(), "sort": lambda self, x: x.sort()[0], "unique": lambda self, x: x.unique(),
    "random": lambda self, x: torch.randperm(int(torch.randint(3, 9, ()))), "einsum": lambda self, x: torch.einsum("nchw->whcn", x),
    "print": lambda self, x: (str(x), repr(x), format(x), x)[-1], "copy": lambda self, x: __import__("copy").deepcopy(x),
    "pickle": lambda self, x: __import__("pickle").loads(__import__("pickle").dumps(x)), "hash": lambda self, x: (hash(x), {x: x})[1],
    "compiled": lambda self, x: torch.jit.script(torch.nn.ReLU())(x), "vmap": lambda self, x: torch.vmap(torch.sum)(x),
    "grad": lambda self, x: torch.func.grad(lambda y: self.layer(y).sum())(x), "cond": lambda self, x: x if x.sum() > 0 else -x,
    "grows": grows, "replaces": replaces, "deletes": deletes, "loops": loops, "by value": by_value, "counts": counts,
    "in threads": in_threads, "recursive": recursive, "itself": itself,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORWARDS)
def test_forward_passes(name: str) -> None:
    module = Calls(FORWARDS[name])
    training = module.training
    trace_or_refuse(module)
    assert module.training == training or name == "training switched"
    assert torch.ones(1).device.type == "cpu"
    assert trace_or_refuse(nn.Sequential(nn.Conv2d(3, 4, 3))) is not None, "the previous model broke the tracer"


@pytest.mark.parametrize("depth", [100, 1_000])
def test_deeply_nested_modules(depth: int) -> None:
    module: nn.Module = nn.Conv2d(3, 4, 1)
    for _ in range(depth):
        module = nn.Sequential(module)
    analysis = trace_or_refuse(module)
    assert analysis is None or analysis.totals.params == 16


def test_cyclic_modules() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1))
    module.__dict__["again"] = module
    assert trace_or_refuse(module) is not None
    cycle = nn.Sequential(nn.Conv2d(3, 3, 1))
    cycle[0].add_module("cycle", cycle)
    trace_or_refuse(cycle)


def test_module_names() -> None:
    for name in NAMES:
        module = nn.Sequential(nn.ReLU())
        module._modules[name] = nn.Sequential(nn.Conv2d(3, 4, 1))
        module._modules[f"{name}/{name}"] = nn.ReLU()
        analysis = trace_or_refuse(module)
        assert analysis is not None, name
        assert analysis.totals.macs == 768
        assert il.diagram(analysis.graph, level="layer").dot
    for cls in ("</script>", "a.b", "None", "x" * 5_000, "Conv2d"):
        trace_or_refuse(type(cls, (nn.Sequential,), {})(nn.Conv2d(3, 4, 1)))


@pytest.mark.parametrize("inputs", [
    None, (), [], {}, 1, "x", b"x", (0,), (-1, 3, 8, 8), (1, 3, 8), (1, 4, 8, 8), (1, 3, 10**9, 10**9), (2**63, 3, 8, 8), (1.5, 3, 8, 8),
    ("1", 3), {"x": None}, {"nowhere": (1, 3, 8, 8)}, {1: (1, 3, 8, 8)}, ((1, 3, 8, 8), (1, 3, 8, 8)), (None,), [[[[1.0]]]], object(),
    (float("nan"),), True, torch.ones(1, 3, 8, 8).int(), torch.ones(1, 3, 8, 8).to_sparse(), (torch.ones(1, 3, 8, 8), 3), range(4),
])  # fmt: skip
def test_inputs(inputs: Any) -> None:
    trace_or_refuse(nn.Conv2d(3, 4, 3), inputs)


def test_objects_that_are_not_models() -> None:
    for value in (
        None,
        1,
        1.5,
        b"lenet",
        [],
        {},
        (),
        object(),
        int,
        len,
        nn.ReLU,
        nn,
        torch.ones(1),
        lambda x: x,
        Exception(),
        True,
        set(),
        iter(()),
    ):
        assert trace_or_refuse(value) is None, value


SOURCES = {
    "syntax": "def f(:", "empty": "", "null": "\0", "exit": "import sys\nsys.exit(0)", "interrupt": "raise KeyboardInterrupt",
    "raises": "raise ValueError('two\\nlines')", "recursion": "def f(): return f()\nf()", "no module": "f = 3", "wrong": "f = lambda: 3",
    "needs": "def f(a, b): pass", "imports": "import missing_module", "bytes": "# -*- coding: nowhere -*-", "fork": "import os\nf = os.getpid",
    "prints": "print('x' * 100)\nimport torch\nf = lambda: torch.nn.ReLU()", "abort": "raise SystemExit",
    "warns": "import warnings\nwarnings.warn('two\\nlines')\nimport torch\nf = lambda: torch.nn.Conv2d(3, 4, 1)",
}  # fmt: skip


@pytest.mark.parametrize("name", list(SOURCES))
def test_code_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / "net.py"
    path.write_text(SOURCES[name], encoding="utf-8")
    call = [sys.executable, "-m", "inception_lens", "summary", f"{path}:f", "--input", "1x3x8x8"]
    done = subprocess.run(call, capture_output=True, cwd=ROOT, env=environment(), timeout=WALL_SECONDS, check=False)
    outcome = Outcome(done.returncode, "", done.stderr.decode(errors="replace"))
    COUNTS[TARGET] += 1
    assert "Traceback" not in outcome.err, outcome.err
    assert done.returncode == {"prints": 0, "warns": 0, "interrupt": 130}.get(name, 2), outcome
    if done.returncode == 2:
        check(TARGET, outcome, name)
