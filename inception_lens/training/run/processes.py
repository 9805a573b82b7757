"""The processes of a run: one, or as many as `torchrun` has started."""

import os
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

PATIENCE = timedelta(minutes=30)
"""How long processes wait for each other: decoding a dataset takes its time."""


class Processes(NamedTuple):
    """One process among all of them."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    restarts: int = 0
    """How often `torchrun` has started them again."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(value)
        return value

    def largest(self, value: Tensor) -> Tensor:
        """The largest over all processes, element by element, in place."""
        if self.world > 1:
            dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return value

    def copy_of_first(self, value: Tensor) -> None:
        """Replace a tensor by the first process's."""
        if self.world > 1:
            dist.broadcast(value, 0)

    def wait(self) -> None:
        """Wait until all have come here."""
        if self.world > 1:
            dist.barrier()

    def leave(self) -> None:
        """Part from the others."""
        if self.world > 1:
            dist.destroy_process_group()


def started() -> Processes:
    """What this process is, as `torchrun` describes it, without joining the others yet."""
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
    """Join the others: by NCCL on CUDA, by gloo elsewhere."""
    if processes.world == 1:
        return
    store, rank, world = next(rendezvous("env://", timeout=PATIENCE))
    if os.environ.get("GROUP_WORLD_SIZE") == "1":
        # torchrun keeps one store for all restarts: in the same place a process would find the address of a dead one.
        # Several nodes count their restarts each for itself, and have to meet where PyTorch lets them.
        store = PrefixStore(f"restart {processes.restarts}", store)
    cuda = device.type == "cuda"
    dist.init_process_group(
        "nccl" if cuda else "gloo",
        store=store,
        rank=rank,
        world_size=world,
        timeout=PATIENCE,
        device_id=device if cuda else None,
    )


def device_of(wanted: str, processes: Processes) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:1` means for this process.

    Raises:
        TrainingError: there is no such device.
    """
    from inception_lens.errors import TrainingError

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "cpu" or (wanted == "auto" and not found):
        return torch.device("cpu")
    index = int(wanted[5:]) if wanted.startswith("cuda:") else processes.local_rank
    if index >= found:
        raise TrainingError(f"there is no `{wanted if wanted != 'auto' else f'cuda:{index}'}`: {found} CUDA devices")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)
