"""The training loop: step, look, evaluate, log, save; from any step as if it had never stopped."""

import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from inception_lens.errors import OutputError, TrainingError
from inception_lens.training import optimizers
from inception_lens.training.data import augmentation
from inception_lens.training.data.batches import Batches, order
from inception_lens.training.evaluation import Evaluation, Evaluator
from inception_lens.training.learner import CORRECT, LOSS, SEEN, SKIPPED, Learner
from inception_lens.training.run.checkpoints import Position, State, parameters_sha256
from inception_lens.training.run.folder import RunFolder
from inception_lens.training.run.job import Job, set_arithmetic, steps_per_epoch
from inception_lens.training.run.memory import peak_memory
from inception_lens.training.run.observer import Moment, Observer
from inception_lens.training.run.processes import Processes
from inception_lens.training.run.records import Epoch, Summary
from inception_lens.training.run.signals import Signals

ROLLBACKS = 3
"""How often a run goes back to its last state, each time with half the learning rate, before it gives up."""


class Outcome(NamedTuple):
    """How a run ended."""

    summary: Summary | None
    """None where a signal ended it before its last epoch."""
    evaluation: Evaluation | None
    signal: int = 0
    """That was received while it ran; 0 for none."""


class Loop:
    """One run in one process."""

    def __init__(
        self, job: Job, folder: RunFolder, processes: Processes, device: torch.device, observer: Observer
    ) -> None:
        self.recipe, self.networks, self.dataset = job
        self.folder, self.processes, self.device, self.observer = folder, processes, device, observer
        set_arithmetic(self.recipe, device)
        self.parts = self.recipe.engine.accumulate
        self.steps_per_epoch = steps_per_epoch(job, processes)
        self.learner = Learner(self.networks, self.recipe, processes, device)
        self.batches = Batches(self.dataset, device, resident=self.recipe.engine.resident)
        shape = self.networks.shape
        self.preparation = augmentation.Preparation.of(self.recipe.augmentation, shape, self.dataset, device)
        self.evaluate = Evaluator(
            self.networks, self.batches, self.dataset.test, self.preparation, processes, self.learner.autocast
        )
        self.checkpoints = folder.checkpoints(self.recipe.checkpoints.keep)
        self.step = self.rollbacks = 0
        self.best: tuple[float, int] | None = None
        self.evaluation: Evaluation | None = None
        self.signals, self.stopped = Signals(), False
        self.saved_at = time.monotonic()

    def run(self) -> Outcome:
        """Train to the last epoch, or until a signal comes.

        Raises:
            TrainingError: the loss does not stay finite, whatever is tried.
            OutputError: the results cannot be written.
        """
        self._restore()
        with self.signals:
            while self.step < self.recipe.epochs * self.steps_per_epoch:
                self._epoch()
                if self.stopped and self.step < self.recipe.epochs * self.steps_per_epoch:
                    return Outcome(None, None, self.signals.received or signal.SIGTERM)
        if self.evaluation is None:  # the last state had been saved, and what came out not yet
            self.evaluation = self.evaluate(self.learner.answering)
        summary = self._summary(self.evaluation)
        if self.processes.first:
            self.folder.finish(summary, self.evaluation)
        return Outcome(summary, self.evaluation, self.signals.received)

    def _epoch(self) -> None:
        """Train to the end of an epoch, evaluate, log and save; or until a signal comes, or the run rolls back."""
        epoch, begun = divmod(self.step, self.steps_per_epoch)
        started, cpu_started, done = time.perf_counter(), time.process_time(), 0
        rate = 0.0
        self.learner.network.train()
        for parts in self._parts(epoch, begun):
            self.learner.step(self.step, self.steps_per_epoch, parts)
            self.step, done = self.step + 1, done + 1
            at_end = self.step % self.steps_per_epoch == 0
            look = at_end or self.step % self.recipe.engine.check_every == 0
            save, diverged = self._look() if look else (False, False)
            rate = done * self.recipe.batch / (time.perf_counter() - started)
            self._tell(epoch, rate, look)
            if diverged:
                self._roll_back()
                return
            if not at_end and (self.stopped or save or self._save_is_due_by_steps()):
                self._save()
            if self.stopped and not at_end:
                return
        self._end_of_epoch(epoch, rate, started, cpu_started)

    def _parts(self, epoch: int, begun: int) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """The share of this process in each batch from step `begun` of an epoch on, augmented and cut into parts."""
        batch, world, rank = self.recipe.batch, self.processes.world, self.processes.rank
        numbers = order(self.dataset.train, self.recipe.seed, epoch)
        share = slice(rank * batch // world, (rank + 1) * batch // world)
        shares = [numbers[step * batch : (step + 1) * batch][share] for step in range(begun, self.steps_per_epoch)]
        for step, (images, labels) in enumerate(self.batches.stream(shares), begun):
            drawn = augmentation.draws(self.recipe.seed, epoch, step, batch)[share]
            x = self.preparation.training(images, drawn)
            yield list(zip(x.chunk(self.parts), labels.chunk(self.parts), strict=True))

    def _look(self) -> tuple[bool, bool]:
        """Whether a process wants to save, and whether the run has diverged; `stopped` where one was told to stop."""
        seconds = self.recipe.checkpoints.every_seconds
        save = bool(seconds) and time.monotonic() - self.saved_at >= seconds
        flags = torch.tensor([bool(self.signals.received), save, 0.0], dtype=torch.float64, device=self.device)
        flags[2] = self.learner.diverged()
        stop, save_any, diverged = self.processes.largest(flags).tolist()
        self.stopped = bool(stop)
        return bool(save_any), bool(diverged)

    def _save_is_due_by_steps(self) -> bool:
        every = self.recipe.checkpoints.every_steps
        return bool(every) and self.step % every == 0

    def _end_of_epoch(self, epoch: int, rate: float, started: float, cpu_started: float) -> None:
        self.learner.share_buffers()
        totals = self._epoch_totals()
        trained = time.perf_counter() - started
        found = self.evaluation = self.evaluate(self.learner.answering)
        better = self.best is None or found.top1 > self.best[0]
        if better:
            self.best = (found.top1, epoch + 1)
        seen = max(totals[SEEN], 1)
        record = Epoch(
            epoch=epoch + 1,
            step=self.step,
            learning_rate=self.learner.rate_scale * optimizers.rate(self.recipe, self.step - 1, self.steps_per_epoch),
            train_loss=totals[LOSS] / seen,
            train_accuracy=totals[CORRECT] / seen,
            test_loss=found.loss,
            test_accuracy=found.top1,
            test_top5=found.top5,
            images_per_second=rate,
            train_seconds=trained,
            seconds=time.perf_counter() - started,
            cpu_seconds=time.process_time() - cpu_started,
            skipped_steps=int(totals[SKIPPED]),
            memory_bytes=peak_memory(self.device),
        )
        self.learner.totals.zero_()
        if self.processes.first:
            try:
                self.folder.log(record)
            except OutputError as error:
                self.observer.note(f"the epoch could not be logged, the run goes on: {error}")
        self.observer.epoch(record)
        last = self.step >= self.recipe.epochs * self.steps_per_epoch
        self._save(best=better, must=last)

    def _epoch_totals(self) -> list[float]:
        """The epoch's totals over all processes; steps without a finite gradient are the same in each."""
        summed: list[float] = self.processes.sum(self.learner.totals.clone()).tolist()
        summed[SKIPPED] /= self.processes.world
        return summed

    def _save(self, *, best: bool = False, must: bool = False) -> None:
        """Save the state; on a full disk the run goes on, with the states before it, unless this is the last."""
        if self.processes.world > 1:  # the totals of all go into the one state, and the first goes on with them
            total = self.processes.sum(self.learner.totals.clone())
            total[SKIPPED:] /= self.processes.world
            self.learner.totals.copy_(total if self.processes.first else total * 0)
        if self.processes.first:
            self._write(best, must)

    def _write(self, best: bool, must: bool) -> None:
        self.saved_at = time.monotonic()
        position = Position(self.step, self.rollbacks, self.best)
        try:
            self.checkpoints.save(State(self.learner.state(), position), best=best)
        except OutputError as error:
            if must:
                raise
            self.observer.note(f"the state could not be saved, the run goes on: {error}")

    def _restore(self) -> None:
        """Go on from the newest state that is whole; the first process saves one where there is none."""
        state = self.checkpoints.newest() if self.processes.first else None
        for reason in self.checkpoints.damaged:
            self.observer.note(f"passed over: {reason}")
        if self.processes.first and state is None:
            self._write(best=False, must=True)
        self.processes.wait()
        state = state or self.checkpoints.newest()
        if state is None:
            raise TrainingError(f"{self.folder.path}: the first state cannot be read back")
        self._load(state)
        if self.processes.first:
            self.folder.keep_metrics(self.step // self.steps_per_epoch)
        self.processes.wait()
        if self.step:
            self.observer.note(f"going on from step {self.step} of {self.recipe.epochs * self.steps_per_epoch}")

    def _load(self, state: State) -> None:
        self.learner.load(state.tensors)
        if not self.processes.first:
            self.learner.totals.zero_()
        self.step, self.rollbacks, self.best = state.position.step, state.position.rollbacks, state.position.best
        self.learner.rate_scale = 0.5**self.rollbacks

    def _roll_back(self) -> None:
        """Go back to the last state, and on from there with half the learning rate."""
        rollbacks, at = self.rollbacks + 1, self.step
        self.processes.wait()  # until the first has written its last state
        state = self.checkpoints.newest()
        if state is None or rollbacks > ROLLBACKS:
            raise TrainingError(
                f"the loss is not finite at step {at}, after {rollbacks - 1} times back with half the learning rate: "
                "try a lower optimizer.learning_rate, a longer schedule.warmup or optimizer.clip"
            )
        self._load(state)
        self.rollbacks, self.learner.rate_scale = rollbacks, 0.5**rollbacks
        if self.processes.first:
            self.folder.keep_metrics(self.step // self.steps_per_epoch)
        self.processes.wait()
        self.observer.note(f"the loss was not finite at step {at}: back to {self.step}, with half the learning rate")

    def _tell(self, epoch: int, rate: float, looked: bool) -> None:
        loss = accuracy = None
        if looked and self.processes.first:
            totals = self.learner.totals.tolist()
            loss, accuracy = (totals[k] / max(totals[SEEN], 1) for k in (LOSS, CORRECT))
        within = self.step - epoch * self.steps_per_epoch
        memory = peak_memory(self.device) if looked else 0
        self.observer.step(
            Moment(epoch, self.recipe.epochs, within, self.steps_per_epoch, loss, accuracy, rate, memory)
        )

    def _summary(self, found: Evaluation) -> Summary:
        records = self.folder.metrics()
        rates = sorted(record.images_per_second for record in records)
        best = self.best or (found.top1, self.recipe.epochs)
        return Summary(
            accuracy=found.top1,
            top5=found.top5,
            loss=found.loss,
            best_accuracy=best[0],
            best_epoch=best[1],
            per_class=dict(zip(self.dataset.classes, found.per_class, strict=False)),
            parameters_sha256=parameters_sha256(dict(self.learner.network.named_parameters())),
            params=self.networks.params,
            macs=self.networks.macs,
            images_per_second=rates[len(rates) // 2] if rates else None,
            seconds=sum(record.seconds for record in records),
            cpu_seconds=sum(record.cpu_seconds for record in records),
            epochs=self.recipe.epochs,
            steps=self.step,
            rollbacks=self.rollbacks,
            model=self.networks.inference.name,
            data=self.dataset.source,
            train_images=len(self.dataset.train),
            test_images=found.images,
            device=str(self.device) if self.device.type == "cpu" else torch.cuda.get_device_name(self.device),
            precision="bfloat16" if self.learner.autocast else "float32",
            processes=self.processes.world,
            torch=str(torch.__version__),
        )
