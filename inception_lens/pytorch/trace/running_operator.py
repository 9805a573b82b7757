"""One call of an operator with ordinary tensors, and the traced tensors that take their place."""

from __future__ import annotations

from torch import Tensor
from torch._ops import OpOverload

from inception_lens.pytorch.trace.containers import map_tensors, tensors_in
from inception_lens.pytorch.trace.operator_facts import Args, Kwargs, facts_of, written_tensors
from inception_lens.pytorch.trace.retries import NeedsValue
from inception_lens.pytorch.trace.traced_tensor import layout_of_tensor, meta_tensor


class RunningOperator:
    """One call of an operator with ordinary tensors, which is run at most once."""

    def __init__(self, func: OpOverload, args: Args, kwargs: Kwargs) -> None:
        self.func, self.args, self.kwargs = func, args, kwargs
        self.ordinary: dict[int, Tensor] = {}
        """The arguments that have a traced tensor in their place, by the identity of that."""
        self.is_decomposed = False
        """Whether it was replaced by other operators, each of which is recorded itself."""
        self._results: list[object] = []

    def results(self) -> object:
        """What the operator returns.

        Tensors on the meta device and others, such as constants, are brought together there.
        """
        if not self._results:
            args, kwargs = self.args, dict(self.kwargs)
            given = tensors_in((args, kwargs))
            if any(each.is_meta for each in given) and not all(each.is_meta for each in given):
                if any(not each.is_meta for each in self.written()):
                    raise NeedsValue("the model writes unknown values to a tensor of known ones")
                args, kwargs = map_tensors((args, kwargs), _on_meta)
            self._results.append(self.func(*args, **kwargs))
        return self._results[0]

    def written(self) -> list[Tensor]:
        """The tensors that it writes to."""
        return written_tensors(self.func, self.args, self.kwargs) if facts_of(self.func).is_mutable else []


def _on_meta(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else meta_tensor(layout_of_tensor(tensor))
