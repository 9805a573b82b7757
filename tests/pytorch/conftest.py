"""One thread for PyTorch: small networks gain little by a second, and lose much if another process needs the cores."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
