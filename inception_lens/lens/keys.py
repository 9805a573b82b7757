"""The top-level keys of a config, as keyword arguments that a type checker knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from inception_lens.architectures.blocks import ActivationName, PoolRounding
    from inception_lens.architectures.googlenet.network import ReducedBranch


class Keys(TypedDict, total=False):
    """The top-level keys of every kind of config; a network takes those that its own config has.

    `inception-lens export NAME --to toml` lists the keys of a network with their meaning and their values.
    """

    activation: ActivationName
    activation_at: Literal["conv", "before_norm", "concat"]
    aux: str | Sequence[str]
    aux_at: str
    aux_head: Mapping[str, object]
    aux_loss_weight: float
    batch_norm: Mapping[str, object]
    bias: bool
    blocks: Mapping[str, str]
    classes: int
    classifier: Literal["linear", "conv"]
    count_padding: bool
    dropout: float
    final_pool: str
    head: str
    input: int | str | Sequence[int]
    kernel_5x5: int
    last_pool: int
    lrn: Mapping[str, object]
    modules: Mapping[str, object]
    norm: Literal["lrn", "batch", "none"]
    padding: Literal["explicit", "same"]
    reduce: Literal["", "none"] | Sequence[ReducedBranch]
    rounding: PoolRounding
    shortcut: Literal["first", "last"]
    softmax: bool
    stem: Mapping[str, object]
    width: float
