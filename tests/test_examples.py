"""Every example runs, and says what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

import inception_lens as il

EXAMPLES = Path(__file__).parent.parent / "examples"

SAYS = {
    "01_read_the_costs.py": "conv2 does 22.7 % of 1,582,671,872 MACs\ninception_5b holds 20.6 % of the parameters\n",
    "04_what_the_5x5_branch_costs.py": "380,928 parameters and 84,295,680 MACs less\n",
}


@pytest.mark.parametrize("script", [path.name for path in sorted(EXAMPLES.glob("*.py"))])
def test_a_script_says_what_it_finds(script: str) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLES / script)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (SAYS[script], "", 0)


def test_a_wider_reduction_moves_the_numbers() -> None:
    changed = il.load(EXAMPLES / "02_change_a_width.toml")
    base = il.load("googlenet@torchvision", classes=10)
    # 8 more channels of 192 weights and 2 batch-norm parameters, each read by 32 kernels of 3x3
    assert il.analyze(changed).totals.params - il.analyze(base).totals.params == 8 * (192 + 2) + 8 * 32 * 9


def test_a_block_can_be_rewritten_and_another_left_out() -> None:
    names = [node.name for node in il.load(EXAMPLES / "03_rewrite_a_block.toml").nodes]
    assert "Mixed_5b/Branch_2/Conv2d_0b_5x5" in names
    assert not [name for name in names if name.startswith("Mixed_7c")]
