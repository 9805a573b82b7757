"""Ctrl-C in each command that can take long: exit code 130, one line, and no partial file."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.attack.harness import COUNTS, ROOT, WALL_SECONDS, environment, sample

CHAIN = """
from inception_lens.graph import Input, Output, Writer
from inception_lens.ops import Concat, Conv2d, ReLU, TensorType
from inception_lens.writers.onnx.model import to_onnx
import sys
net = Writer([Input("x", TensorType((1, 16, 32, 32)))])
x = "x"
for i in range(int(sys.argv[1])):
    a = net.add(f"m{i}/1x1", Conv2d(8, (1, 1)), x)
    b = net.add(f"m{i}/3x3", Conv2d(8, (3, 3), padding=(1, 1)), net.add(f"m{i}/less", Conv2d(4, (1, 1)), x))
    x = net.add(f"m{i}/output", Concat(), a, b)
open(sys.argv[2], "wb").write(to_onnx(net.graph([Output(x)])))
"""
SLOW = """
import time, torch
class Slow(torch.nn.Module):
    def forward(self, x):
        time.sleep(60)
        return x
"""
CALLS = {
    "summary": ["summary", "{chain}", "-o", "{out}/net.json"],
    "diagram": ["diagram", "{chain}", "-o", "{out}/net.svg"],
    "plot": ["plot", "{chain}", "-o", "{out}/net.png"],
    "savings": ["savings", "{chain}", "-o", "{out}/net.md"],
    "compare": ["compare", "{chain}", "{chain}", "-o", "{out}/net.json"],
    "verify": ["verify", "resnet152", "-o", "{out}/net.json"],
    "export": ["export", "{chain}", "--to", "torch", "-o", "{out}/net.py"],
    "export to onnx": ["export", "vgg19", "--to", "onnx", "-o", "{out}/net.onnx"],
    "report": ["report", "{chain}", "-o", "{out}/page"],
    "profile": ["profile", "resnet152", "-o", "{out}/net.json"],
    "ablate": ["ablate", "--out", "{out}/runs"],
    "bench": ["bench", "-o", "{out}/bench.md"],
    "train": ["train", "--epochs", "50", "--out", "{out}/run"],
    "trace": ["summary", "{slow}:Slow", "--input", "1x3x8x8", "-o", "{out}/net.json"],
}


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chain") / "chain.onnx"
    subprocess.run([sys.executable, "-c", CHAIN, "2000", str(path)], check=True, cwd=ROOT, env=environment())
    return path


def enable_interrupt() -> None:
    """Restore the default action of SIGINT, which a shell ignores for background processes."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("delay", sample([1.5, 0.3], 1))
@pytest.mark.parametrize("name", sample(list(CALLS), 4))
def test_an_interrupt(name: str, delay: float, chain: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    places = {"chain": chain, "out": tmp_path / "out", "slow": tmp_path / "slow.py"}
    places["out"].mkdir()
    call = [part.format(**places) for part in CALLS[name]]
    started = subprocess.Popen(
        [sys.executable, "-m", "inception_lens", *call],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path, start_new_session=True,
        preexec_fn=enable_interrupt,
    )  # fmt: skip
    timer = threading.Timer(delay, started.send_signal, (signal.SIGINT,))
    timer.start()
    try:
        _, err = started.communicate(timeout=WALL_SECONDS)
    finally:
        timer.cancel()
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
    COUNTS["interrupts"] += 1
    message = err.decode()
    assert "Traceback" not in message
    assert started.returncode in (0, 130), (started.returncode, message)
    partial = [path.name for path in places["out"].rglob("*") if path.name.endswith(".tmp")]
    assert not partial
    if started.returncode == 130 and name not in ("train", "ablate"):
        assert message.endswith("error: interrupted\n")
        assert not list(places["out"].iterdir())
