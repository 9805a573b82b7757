"""The training loop: step, check, evaluate, log, save. A run that resumes gives the same bits as one without a stop."""

import signal
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from inception_lens.errors import OutputError, TrainingError
from inception_lens.training.data import augmentation
from inception_lens.training.data.batches import Batches, epoch_order
from inception_lens.training.evaluation import Evaluator
from inception_lens.training.learner import CORRECT, LOSS, SEEN, SKIPPED, Learner
from inception_lens.training.optimizers import learning_rate
from inception_lens.training.run.checkpoints import Checkpoint, Position, parameters_sha256
from inception_lens.training.run.folder import METRICS, RunFolder
from inception_lens.training.run.job import Job, set_arithmetic, steps_per_epoch
from inception_lens.training.run.memory import peak_memory
from inception_lens.training.run.observer import Observer, StepProgress
from inception_lens.training.run.processes import Processes
from inception_lens.training.run.records import Epoch, Evaluation, Summary
from inception_lens.training.run.signals import StopSignals

MAX_ROLLBACKS = 3
"""How often a run returns to its last checkpoint, each time with half the learning rate, before it fails."""


class Outcome(NamedTuple):
    """How a run ended."""

    summary: Summary | None
    """None if a signal ended the run before its last epoch."""
    evaluation: Evaluation | None
    signal: int = 0
    """The signal that was received; 0 if none."""


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
        self.signals, self.stopped = StopSignals(), False
        self.saved_at = time.monotonic()

    def run(self) -> Outcome:
        """Train until the last epoch or a signal.

        Raises:
            TrainingError: the loss is not finite, even after rollbacks.
            OutputError: the results cannot be written.
        """
        self._restore()
        with self.signals:
            while self.step < self.recipe.epochs * self.steps_per_epoch:
                self._epoch()
                if self.stopped and self.step < self.recipe.epochs * self.steps_per_epoch:
                    return Outcome(None, None, self.signals.received or signal.SIGTERM)
        if self.evaluation is None:  # an earlier process saved the last checkpoint, but not the results
            self.evaluation = self.evaluate(self.learner.evaluated_network)
        summary = self._summary(self.evaluation)
        if self.processes.first:
            self.folder.finish(summary, self.evaluation)
        return Outcome(summary, self.evaluation, self.signals.received)

    def _epoch(self) -> None:
        """Train until the end of an epoch, then evaluate, log and save; or until a signal or a rollback."""
        epoch, first_step = divmod(self.step, self.steps_per_epoch)
        started, cpu_started, done = time.perf_counter(), time.process_time(), 0
        rate = 0.0
        self.learner.network.train()
        for parts in self._parts(epoch, first_step):
            self.learner.step(self.step, self.steps_per_epoch, parts)
            self.step, done = self.step + 1, done + 1
            at_end = self.step % self.steps_per_epoch == 0
            check = at_end or self.step % self.recipe.engine.check_every == 0
            save, diverged = self._check() if check else (False, False)
            rate = done * self.recipe.batch / (time.perf_counter() - started)
            self._report_step(epoch, rate, check)
            if diverged:
                self._roll_back()
                return
            if not at_end and (self.stopped or save or self._save_is_due()):
                self._save()
            if self.stopped and not at_end:
                return
        self._end_of_epoch(epoch, rate, started, cpu_started)

    def _parts(self, epoch: int, first_step: int) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """The current process's share of each batch from step `first_step` of an epoch, augmented, in parts."""
        batch, share = self.recipe.batch, self.processes.share(self.recipe.batch)
        numbers = epoch_order(self.dataset.train, self.recipe.seed, epoch)
        shares = [numbers[step * batch : (step + 1) * batch][share] for step in range(first_step, self.steps_per_epoch)]
        for step, (images, labels) in enumerate(self.batches.stream(shares), first_step):
            drawn = augmentation.draws(self.recipe.seed, epoch, step, batch)[share]
            x = self.preparation.training(images, drawn)
            yield list(zip(x.chunk(self.parts), labels.chunk(self.parts), strict=True))

    def _check(self) -> tuple[bool, bool]:
        """Whether a checkpoint is due by time, and whether the run has diverged; sets `stopped` after a signal."""
        seconds = self.recipe.checkpoints.every_seconds
        save = bool(seconds) and time.monotonic() - self.saved_at >= seconds
        flags = torch.tensor([bool(self.signals.received), save, 0.0], dtype=torch.float64, device=self.device)
        flags[2] = self.learner.diverged()
        stop, save_any, diverged = self.processes.maximum(flags).tolist()
        self.stopped = bool(stop)
        return bool(save_any), bool(diverged)

    def _save_is_due(self) -> bool:
        every = self.recipe.checkpoints.every_steps
        return bool(every) and self.step % every == 0

    def _end_of_epoch(self, epoch: int, rate: float, started: float, cpu_started: float) -> None:
        self.learner.share_buffers()
        totals = self._epoch_totals()
        trained = time.perf_counter() - started
        evaluation = self.evaluation = self.evaluate(self.learner.evaluated_network)
        better = self.best is None or evaluation.top1 > self.best[0]
        if better:
            self.best = (evaluation.top1, epoch + 1)
        seen = max(totals[SEEN], 1)
        record = Epoch(
            epoch=epoch + 1,
            step=self.step,
            learning_rate=self.learner.rate_scale * learning_rate(self.recipe, self.step - 1, self.steps_per_epoch),
            train_loss=totals[LOSS] / seen,
            train_accuracy=totals[CORRECT] / seen,
            test_loss=evaluation.loss,
            test_accuracy=evaluation.top1,
            test_top5=evaluation.top5,
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
                self.observer.note(f"the epoch could not be logged; the run continues: {error}")
        self.observer.epoch(record)
        last = self.step >= self.recipe.epochs * self.steps_per_epoch
        self._save(best=better, required=last)

    def _epoch_totals(self) -> list[float]:
        """The totals over all processes. Each process counts the same skipped steps."""
        summed: list[float] = self.processes.sum(self.learner.totals.clone()).tolist()
        summed[SKIPPED] /= self.processes.world
        return summed

    def _save(self, *, best: bool = False, required: bool = False) -> None:
        """Write a checkpoint. If it cannot be written, the run continues, unless it is `required`."""
        if self.processes.world > 1:  # the checkpoint holds the totals of all processes; the first process keeps them
            total = self.processes.sum(self.learner.totals.clone())
            total[SKIPPED:] /= self.processes.world
            self.learner.totals.copy_(total if self.processes.first else total * 0)
        if self.processes.first:
            self._write(best, required)

    def _write(self, best: bool, required: bool) -> None:
        self.saved_at = time.monotonic()
        position = Position(self.step, self.rollbacks, self.best)
        try:
            self.checkpoints.save(Checkpoint(self.learner.state(), position), best=best)
        except OutputError as error:
            if required:
                raise
            self.observer.note(f"the checkpoint could not be written; the run continues: {error}")

    def _restore(self) -> None:
        """Resume from the newest intact checkpoint. If there is none, the first process writes one."""
        checkpoint = self.checkpoints.newest() if self.processes.first else None
        for reason in self.checkpoints.damaged:
            self.observer.note(f"skipped: {reason}")
        if self.processes.first and checkpoint is None:
            self._write(best=False, required=True)
        self.processes.wait()
        checkpoint = checkpoint or self.checkpoints.newest()
        if checkpoint is None:
            raise TrainingError(f"{self.folder.path}: the first checkpoint cannot be read back")
        self._load(checkpoint)
        self._truncate_metrics()
        if self.step:
            self.observer.note(f"resuming at step {self.step} of {self.recipe.epochs * self.steps_per_epoch}")

    def _load(self, checkpoint: Checkpoint) -> None:
        self.learner.load(checkpoint.tensors)
        if not self.processes.first:
            self.learner.totals.zero_()
        position = checkpoint.position
        self.step, self.rollbacks, self.best = position.step, position.rollbacks, position.best
        self.learner.rate_scale = 0.5**self.rollbacks

    def _roll_back(self) -> None:
        """Return to the last checkpoint and continue with half the learning rate."""
        rollbacks, at = self.rollbacks + 1, self.step
        self.processes.wait()  # until the first process has written its checkpoint
        checkpoint = self.checkpoints.newest()
        if checkpoint is None or rollbacks > MAX_ROLLBACKS:
            raise TrainingError(
                f"the loss is not finite at step {at}, after {rollbacks - 1} rollbacks that halved the learning rate: "
                "try a lower optimizer.learning_rate, a longer schedule.warmup or optimizer.clip"
            )
        self._load(checkpoint)
        self.rollbacks, self.learner.rate_scale = rollbacks, 0.5**rollbacks
        self._truncate_metrics()
        self.observer.note(f"the loss was not finite at step {at}: back to {self.step}, with half the learning rate")

    def _truncate_metrics(self) -> None:
        """Remove the metrics of epochs that will run again."""
        if self.processes.first:
            damaged = self.folder.truncate_metrics(self.step // self.steps_per_epoch)
            if damaged:
                self.observer.note(f"{self.folder.path / METRICS}: {damaged} damaged lines dropped")
        self.processes.wait()

    def _report_step(self, epoch: int, rate: float, checked: bool) -> None:
        loss = accuracy = None
        if checked and self.processes.first:
            totals = self.learner.totals.tolist()
            loss, accuracy = (totals[k] / max(totals[SEEN], 1) for k in (LOSS, CORRECT))
        step = self.step - epoch * self.steps_per_epoch
        memory = peak_memory(self.device) if checked else 0
        self.observer.step(
            StepProgress(epoch, self.recipe.epochs, step, self.steps_per_epoch, loss, accuracy, rate, memory)
        )

    def _summary(self, evaluation: Evaluation) -> Summary:
        records = self.folder.metrics()
        rates = [record.images_per_second for record in records]
        best = self.best or (evaluation.top1, self.recipe.epochs)
        return Summary(
            accuracy=evaluation.top1,
            top5=evaluation.top5,
            loss=evaluation.loss,
            best_accuracy=best[0],
            best_epoch=best[1],
            per_class=dict(zip(self.dataset.classes, evaluation.per_class, strict=False)),
            parameters_sha256=parameters_sha256(dict(self.learner.network.named_parameters())),
            params=self.networks.params,
            macs=self.networks.macs,
            images_per_second=statistics.median(rates) if rates else None,
            seconds=sum(record.seconds for record in records),
            cpu_seconds=sum(record.cpu_seconds for record in records),
            epochs=self.recipe.epochs,
            steps=self.step,
            rollbacks=self.rollbacks,
            model=self.networks.inference.name,
            data=self.dataset.source,
            train_images=len(self.dataset.train),
            test_images=evaluation.images,
            device=str(self.device) if self.device.type == "cpu" else torch.cuda.get_device_name(self.device),
            precision="bfloat16" if self.learner.autocast else "float32",
            processes=self.processes.world,
            torch=str(torch.__version__),
        )
