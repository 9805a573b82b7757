"""The processes of a run: one, or those that `torchrun` starts."""

import os
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from inception_lens.errors import TrainingError

TIMEOUT = timedelta(minutes=30)
"""How long processes wait for each other; the first one may be decoding a dataset."""


class Processes(NamedTuple):
    """One process and its place among all processes."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    restarts: int = 0
    """How often `torchrun` has restarted all processes."""

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """The images of a global batch that this process trains on; all shares are of equal size."""
        size = batch // self.world
        return slice(self.rank * size, (self.rank + 1) * size)

    def sum(self, value: Tensor) -> Tensor:
        """Sum over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(value)
        return value

    def maximum(self, value: Tensor) -> Tensor:
        """Element-wise maximum over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return value

    def broadcast(self, value: Tensor) -> None:
        """Replace a tensor by that of the first process."""
        if self.world > 1:
            dist.broadcast(value, 0)

    def wait(self) -> None:
        """Wait for all processes."""
        if self.world > 1:
            dist.barrier()

    def close(self) -> None:
        """Leave the process group."""
        if self.world > 1:
            dist.destroy_process_group()


def from_environment() -> Processes:
    """The current process as `torchrun` describes it in environment variables, before `join`."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 and "RANK" not in os.environ:
        return Processes()
    return Processes(
        int(os.environ.get("RANK", "0")),
        world,
        int(os.environ.get("LOCAL_RANK", "0")),
        int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")),
    )


def join(processes: Processes, device: torch.device) -> None:
    """Join the process group, with NCCL on CUDA and with Gloo elsewhere."""
    if processes.world == 1:
        return
    store, rank, world = next(rendezvous("env://", timeout=TIMEOUT))
    if os.environ.get("GROUP_WORLD_SIZE") == "1":
        # torchrun keeps one store for all restarts, in which a process would find the address of a dead one.
        # Several nodes count their restarts separately, so they have to share the store without a prefix.
        store = PrefixStore(f"restart {processes.restarts}", store)
    cuda = device.type == "cuda"
    dist.init_process_group(
        "nccl" if cuda else "gloo",
        store=store,
        rank=rank,
        world_size=world,
        timeout=TIMEOUT,
        device_id=device if cuda else None,
    )


def select_device(name: str, processes: Processes) -> torch.device:
    """The device of this process for `auto`, `cpu`, `cuda` or `cuda:1`.

    Raises:
        TrainingError: the device does not exist.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not count):
        return torch.device("cpu")
    index = int(name[5:]) if name.startswith("cuda:") else processes.local_rank
    if index >= count:
        missing = f"cuda:{index}" if name == "auto" else name
        raise TrainingError(f"device `{missing}` does not exist: this machine has {count} CUDA devices")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)
