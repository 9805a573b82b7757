"""PyTorch in one thread: small networks gain nothing by two, and lose much where another process wants the cores."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
