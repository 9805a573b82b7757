"""Every example runs and prints what it should."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import inception_lens as il

EXAMPLES = Path(__file__).parent.parent / "examples"

PRINTS = {
    "01_read_costs.py": "conv2 does 22.7 % of 1,582,671,872 MACs\ninception_5b holds 20.6 % of the parameters\n",
    "05_your_own_network.py": (
        "reduction to 8 channels: 16,050 parameters, 3,818,432 MACs\n"
        "reduction to 16 channels: 26,170 parameters, 6,407,104 MACs\n"
        "reduction to 32 channels: 46,410 parameters, 11,584,448 MACs\n"
    ),
    "04_kernel_of_the_5x5_branch.py": "380,928 parameters and 84,295,680 MACs fewer\n",
}


def test_every_cell_of_the_notebook_runs() -> None:
    notebook = json.loads((EXAMPLES / "06_tour.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(cell["source"], names)  # noqa: S102 - the project's own code


@pytest.mark.parametrize("script", [path.name for path in sorted(EXAMPLES.glob("*.py"))])
def test_a_script_prints_its_result(script: str) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLES / script)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (PRINTS[script], "", 0)


def test_a_wider_reduction_moves_the_numbers() -> None:
    changed = il.load(EXAMPLES / "02_change_a_width.toml")
    base = il.load("googlenet@torchvision", classes=10)
    # 8 more channels of 192 weights and 2 batch-norm parameters, each read by 32 kernels of 3x3
    assert il.analyze(changed).totals.params - il.analyze(base).totals.params == 8 * (192 + 2) + 8 * 32 * 9


def test_a_block_can_be_rewritten_and_another_left_out() -> None:
    names = [node.name for node in il.load(EXAMPLES / "03_rewrite_a_block.toml").nodes]
    assert "Mixed_5b/Branch_2/Conv2d_0b_5x5" in names
    assert not [name for name in names if name.startswith("Mixed_7c")]
