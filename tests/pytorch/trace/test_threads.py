"""Models that compute in other threads: each operator there is counted, or the trace ends with an error."""

from __future__ import annotations

import atexit
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing.pool import Pool, ThreadPool
from queue import Queue

import pytest
import torch
from torch import Tensor, nn

import inception_lens as il
from inception_lens.errors import TraceError
from inception_lens.pytorch.trace.traced_tensor import TRACED_THREADS
from tests.pytorch.trace.calls import Calls

ROWS = torch.arange(16.0).reshape(2, 8)
KEPT = ThreadPoolExecutor(2)
OLD_POOL = ThreadPool(2)
atexit.register(OLD_POOL.terminate)


def submitted(linear: nn.Module, x: Tensor) -> object:
    with ThreadPoolExecutor(2) as pool:
        return sum(each.result() for each in [pool.submit(linear, x) for _ in range(3)])


def mapped(linear: nn.Module, x: Tensor) -> object:
    with ThreadPoolExecutor(2) as pool:
        return torch.stack(list(pool.map(linear, [x, x, x])))


def completed(linear: nn.Module, x: Tensor) -> object:
    with ThreadPoolExecutor(2) as pool:
        return sum(each.result() for each in as_completed([pool.submit(linear, x) for _ in range(3)]))


def caught(linear: nn.Module, x: Tensor) -> object:
    with ThreadPoolExecutor(2) as pool:
        futures: list[Future[Tensor]] = [pool.submit(linear, x) for _ in range(3)]
        return [each.result() for each in futures if each.exception() is None]


def threads(linear: nn.Module, x: Tensor) -> object:
    found: list[Tensor] = []
    running = [threading.Thread(target=lambda: found.append(linear(x))) for _ in range(3)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return sum(found)


class Subclass(threading.Thread):
    """A thread that keeps what it computes."""

    def __init__(self, linear: nn.Module, x: Tensor) -> None:
        super().__init__()
        self.linear, self.x = linear, x

    def run(self) -> None:
        self.x = self.linear(self.x)


def subclasses(linear: nn.Module, x: Tensor) -> object:
    running = [Subclass(linear, x) for _ in range(3)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return [each.x for each in running]


def queues(linear: nn.Module, x: Tensor) -> object:
    """A thread that waits for its work."""
    tasks, results = Queue[Tensor | None](), Queue[Tensor]()

    def work() -> None:
        while (task := tasks.get()) is not None:
            results.put(linear(task))

    worker = threading.Thread(target=work)
    worker.start()
    for task in (x, x, x, None):
        tasks.put(task)
    worker.join()
    return results.get() + results.get() + results.get()


def barriers(linear: nn.Module, x: Tensor) -> object:
    """Threads that wait for each other."""
    barrier = threading.Barrier(3)

    def work() -> Tensor:
        barrier.wait(10)
        result: Tensor = linear(x)
        return result

    with ThreadPoolExecutor(3) as pool:
        return [each.result() for each in [pool.submit(work) for _ in range(3)]]


def asynchronous(linear: nn.Module, x: Tensor) -> object:
    with ThreadPool(2) as pool:
        return [each.get() for each in [pool.apply_async(linear, (x,)) for _ in range(3)]]


def pool_map(linear: nn.Module, x: Tensor) -> object:
    with ThreadPool(2) as pool:
        return [*pool.map(linear, [x, x]), *pool.imap_unordered(linear, [x])]


def scripted(linear: nn.Linear, x: Tensor) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        future = torch.jit.fork(linear, x)  # type: ignore[no-untyped-call]
        return torch.jit.wait(future) + linear(x) + linear(x)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "function",
    [
        submitted,
        mapped,
        completed,
        caught,
        threads,
        subclasses,
        queues,
        barriers,
        asynchronous,
        pool_map,
        lambda linear, x: list(KEPT.map(linear, [x, x, x])),
        lambda linear, x: OLD_POOL.map(linear, [x, x, x]),
        scripted,
    ],
)
def test_operators_of_other_threads_are_counted(function: Callable[..., object]) -> None:
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    analysis = il.analyze(Calls(function), ROWS)
    assert (analysis.totals.macs, analysis.totals.exact) == (3 * 128, True)
    assert [row.name.startswith("linear") for row in analysis.layers if row.macs] == [True] * 3
    assert not TRACED_THREADS
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == (start, submit)


@pytest.mark.parametrize("shape", [(2, 8), (5, 8)])
def test_threads_of_a_model_on_the_meta_device(shape: tuple[int, ...]) -> None:
    assert il.analyze(Calls(submitted).to("meta"), shape).totals.macs == 3 * 64 * shape[0]


def test_an_error_in_a_thread_is_the_models_own() -> None:
    with pytest.raises(TraceError, match=r"mat1 and mat2 shapes cannot be multiplied|needs weights of 8x7"):
        il.analyze(Calls(submitted), (2, 7))
    assert not TRACED_THREADS


def in_processes(linear: nn.Module, x: Tensor) -> object:
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(linear, x).result()


def in_a_process_pool(linear: nn.Module, x: Tensor) -> object:
    with Pool(1) as pool:
        return pool.apply(linear, (x,))


@pytest.mark.parametrize("function", [in_processes, in_a_process_pool])
def test_other_processes_are_an_error(function: Callable[..., object]) -> None:
    with pytest.raises(TraceError, match="in another process, where they cannot be recorded"):
        il.analyze(Calls(function), ROWS)


class OldThread(nn.Module):
    """Runs its layer in a thread that is older than the forward pass, after a look at the memory of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.tasks, self.results = Queue[Tensor](), Queue[Tensor | Exception]()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self) -> None:
        while True:
            x = self.tasks.get()
            try:
                self.results.put(self.linear(x))
            except Exception as error:
                self.results.put(error)

    def forward(self, x: Tensor) -> object:
        self.tasks.put(x.clone() if x.untyped_storage().nbytes() else x)
        return self.results.get()


def test_a_module_that_an_older_thread_runs_is_an_error_and_not_left_out() -> None:
    with pytest.raises(TraceError, match="`Linear` is called in a thread that was started before the trace"):
        il.analyze(OldThread(), ROWS)
