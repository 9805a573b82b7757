"""The path of each node in a tree of PyTorch modules: the prefix of its `state_dict` keys."""

import re
from collections.abc import Collection

from inception_lens.errors import GraphError

ModulePath = tuple[str, ...]
"""Names of nested modules, outermost first."""

MAX_DEPTH = 60
"""Nested modules: each takes three brackets in source code, where Python allows 200, and stack frames in PyTorch."""

RESERVED = frozenset(
    """
    add_module affine alpha append apply approximate beta bfloat16 bias buffers call_super_init ceil_mode children
    clear compile count_include_pad cpu cuda dilation dim divisor_override double dump_patches end_dim eps eval extend
    extra_repr float forward get_buffer get_extra_state get_parameter get_submodule graph groups half in_channels
    in_features inplace insert ipu items k kernel_size keys load_state_dict modules momentum mtia named_buffers
    named_children named_modules named_parameters negative_slope num_batches_tracked num_features out_channels
    out_features output_padding output_size p padding padding_mode parameters pop register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook
    register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    reset_parameters reset_running_stats return_indices running_mean running_var scale set_extra_state set_submodule
    share_memory size start_dim state_dict stride T_destination to to_empty track_running_stats train training
    transposed type update values weight xpu zero_grad
    """.split()  # noqa: SIM905
)
"""Attributes of PyTorch's modules, which cannot be names of children."""


def module_paths(names: Collection[str]) -> dict[str, ModulePath]:
    """The path of every node, which is its name split at `/`: `inception_3a/5x5` has `("inception_3a", "5x5")`.

    A part that PyTorch does not accept is changed: characters other than letters, digits, `_` and `-` become `_`, and
    `_` is appended to names that are reserved or taken by another node.

    Raises:
        GraphError: a name has more than `MAX_DEPTH` parts.
    """
    places: dict[ModulePath, ModulePath] = {(): ()}
    taken: set[ModulePath] = set()
    for name in names:
        parts = tuple(name.split("/"))
        if len(parts) > MAX_DEPTH:
            raise GraphError(
                f"`{name[:40]}...` is nested in {len(parts) - 1:,} modules; PyTorch allows at most {MAX_DEPTH - 1}"
            )
        for end in range(1, len(parts) + 1):
            if parts[:end] not in places:
                place = (*places[parts[: end - 1]], _valid(parts[end - 1]))
                while place in taken:
                    place = (*place[:-1], f"{place[-1]}_")
                taken.add(place)
                places[parts[:end]] = place
    return {name: places[tuple(name.split("/"))] for name in names}


def _valid(part: str) -> str:
    part = re.sub(r"[^\w-]", "_", part) or "_"
    return f"{part}_" if part in RESERVED or part.startswith("_") else part
