"""The most memory that a run has held."""

import sys

import torch


def peak_memory(device: torch.device) -> int:
    """Bytes: what PyTorch has allocated on a GPU, or what the whole process has held on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows does not tell
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
