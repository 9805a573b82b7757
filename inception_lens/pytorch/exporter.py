"""A module written by PyTorch's own ONNX exporter, for models that hold what a Graph does not: values and indices."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import redirect_stdout

import torch
from torch import nn

from inception_lens.errors import FormatError, require
from inception_lens.graph import Graph, Inputs
from inception_lens.pytorch.trace.global_state import in_mode
from inception_lens.pytorch.verify.second_opinions import forward_arguments
from inception_lens.writers.onnx.model import OPSET


def export_onnx(module: nn.Module, graph: Graph, inputs: Inputs | None, batch: int | None) -> bytes:
    """Write the module as it is: nothing is folded or fused, so that the model has the module's own weights.

    Args:
        module: the module with its values.
        graph: what it computes, in the same mode.
        inputs: arguments of its forward pass, as in `second_opinions`.
        batch: number of samples; None leaves that of the inputs.

    Raises:
        FormatError: PyTorch cannot export it.
    """
    require("onnxscript", extra="onnx")
    args, kwargs = forward_arguments(module, graph, inputs, batch, "cpu")
    before = logging.root.manager.disable
    logging.disable()
    try:
        with in_mode([*module.modules()], graph.mode), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module, tuple(args), kwargs=kwargs, dynamo=True, optimize=False, opset_version=OPSET, verbose=False
            )
            assert program is not None
            main = program.model.graph
            for node in main:
                node.metadata_props.pop("pkg.torch.onnx.stack_trace", None)  # paths of this machine
                for value in node.outputs:
                    if value.name in main.initializers:  # a tensor of the model is called like an operator
                        value.name = f"{value.name}_output"
            return program.model_proto.SerializeToString()
    except Exception as error:  # PyTorch's exporter raises many types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FormatError(f"PyTorch's exporter cannot write it either: {reason}") from error
    finally:
        logging.disable(before)
