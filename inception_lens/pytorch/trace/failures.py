"""The errors of forward passes that did not end, and whether the tensors that they ran with may be the reason."""

from __future__ import annotations

import dis
import os
import traceback
from types import FrameType

import torch

from inception_lens import version
from inception_lens.errors import InceptionLensError, TraceError, UnknownValueError
from inception_lens.graph import Metadata, Mode
from inception_lens.ops import format_shape
from inception_lens.pytorch.trace import operator_calls
from inception_lens.pytorch.trace.module_calls import ModuleTracer
from inception_lens.pytorch.trace.retries import NeedsValue, Retry
from inception_lens.pytorch.trace.traced_tensor import TracedTensor

TORCH = os.path.dirname(torch.__file__) + os.sep
OWN = os.path.dirname(version.__file__) + os.sep
"""Folders of the code of PyTorch and of this package."""


def failed(error: BaseException, tracer: ModuleTracer, metadata: Metadata, mode: Mode) -> TraceError:
    """The error of a forward pass that did not end, with what was recorded until then."""
    failure = tracer.failure
    path = "its forward pass"
    if failure is not None:
        shapes = " and ".join([format_shape(shape) or "a scalar" for shape in failure.shapes])
        path = f"`{failure.path or metadata.name}` ({failure.kind}{f' of {shapes}' if shapes else ''})"
    line = source_line(error)
    what = str(error).strip().split("\n")[0] or type(error).__name__
    if not isinstance(error, InceptionLensError | Retry):
        what = f"{type(error).__name__}: {what}"
    if isinstance(error, NeedsValue):
        what += ", which is unknown: give the model its weights, and tensors as inputs if it reads their values"
    recorder, graph = tracer.recorder, None
    if recorder.nodes:
        graph = recorder.graph([recorder.nodes[-1].name], mode, metadata)
    kind = UnknownValueError if isinstance(error, NeedsValue) else TraceError
    return kind(f"{metadata.name}: {path}{f', at {line}' if line else ''}: {what}", graph=graph)


def source_line(error: BaseException) -> str:
    """File and line of the user's own code that raised the error, `net.py:12`; empty if none did."""
    own = tuple([os.path.dirname(str(package.__file__)) + os.sep for package in (torch, version)])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(own)]
    return f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def is_about_traced_tensors(failure: TraceError) -> bool:
    """Whether the message names the class of tensors that the model ran with, which its author does not know."""
    return TracedTensor.__name__ in str(failure.__cause__)


def may_be_due_to_traced_tensors(failure: TraceError) -> bool:
    """Whether a forward pass that failed may end with ordinary tensors.

    An operator that refuses its arguments is the model's own fault or that of its inputs, and so is what its code or a
    module of PyTorch raises by a `raise` statement. What remains is raised by compiled code that was called with a
    tensor, such as TorchScript.
    """
    error = failure.__cause__
    if error is None or isinstance(error, InceptionLensError):
        return False
    if is_about_traced_tensors(failure):
        return True
    if not isinstance(error, TypeError | RuntimeError | AttributeError | BufferError):
        return False
    frames = list(traceback.walk_tb(error.__traceback__))
    if not frames or any(frame.f_code.co_filename == operator_calls.__file__ for frame, _ in frames):
        return False
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    assert last is not None
    if not _is_raise(last.tb_frame, last.tb_lasti):
        return True
    path = last.tb_frame.f_code.co_filename
    is_of_torch = path.startswith(TORCH) and not path.startswith(os.path.join(TORCH, "nn") + os.sep)
    return is_of_torch or (isinstance(error, TypeError | NotImplementedError) and not path.startswith((TORCH, OWN)))


def _is_raise(frame: FrameType, position: int) -> bool:
    """Whether a frame stopped at a `raise` or `assert` statement, not in something that it called."""
    return frame.f_code.co_code[position] == dis.opmap["RAISE_VARARGS"]
