"""Start-up time of commands, as ratios to `import torch` measured in the same rounds."""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time

import msgspec

import inception_lens

ROUNDS = 9
"""Rounds, in each of which every command runs once; times are medians over them."""

LIMITS = {"summary googlenet": 0.05, "list": 0.08, "savings": 0.07, "diagram googlenet -o x.dot": 0.07}
"""The largest ratio to `import torch` for each command."""


class CommandTime(msgspec.Struct, frozen=True):
    """A command of this package as a process, next to a process that imports torch."""

    command: str
    """Its arguments, such as `summary googlenet`."""
    seconds: float
    """Median wall time of the process."""
    torch_seconds: float
    """Median wall time of `python -c "import torch"` in the same rounds."""
    bytecode_cached: bool
    """Whether all modules of this package were loaded from compiled bytecode."""

    @property
    def ratio(self) -> float:
        """Its time divided by that of `import torch`."""
        return self.seconds / self.torch_seconds


def command_times(rounds: int = ROUNDS) -> list[CommandTime]:
    """Measure every command of `LIMITS`, after a run of each that fills the caches of the file system.

    Raises:
        CalledProcessError: a command fails.
    """
    calls = {name: [sys.executable, "-m", "inception_lens", *name.split()] for name in LIMITS}
    calls["torch"] = [sys.executable, "-c", "import torch"]
    times: dict[str, list[float]] = {name: [] for name in calls}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for name, call in calls.items():
                seconds = elapsed(call, folder)
                if number:
                    times[name].append(seconds)
    cached, torch_seconds = bytecode_is_cached(), statistics.median(times.pop("torch"))
    return [CommandTime(name, statistics.median(each), torch_seconds, cached) for name, each in times.items()]


def elapsed(command: list[str], folder: str | None = None, timeout: float = 240) -> float:
    """Wall time of a command that succeeds, in seconds."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, capture_output=True, timeout=timeout, check=True)  # noqa: S603
    return time.perf_counter() - start


def bytecode_is_cached() -> bool:
    """Whether the compiled bytecode of each module of this package is on disk and not older than its source."""
    (package,) = inception_lens.__path__
    sources = [os.path.join(folder, name) for folder, _, names in os.walk(package) for name in names]
    return all(map(_is_compiled, [source for source in sources if source.endswith(".py")]))


def _is_compiled(source: str) -> bool:
    cached = importlib.util.cache_from_source(source)
    return os.path.exists(cached) and os.path.getmtime(cached) >= os.path.getmtime(source)
