"""Peak memory of a run."""

import sys

import torch


def peak_memory(device: torch.device) -> int:
    """Peak bytes: allocated by PyTorch on a GPU, or resident in this process on a CPU; 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
