"""The tensors in what a pickle holds, named by the keys that lead to them."""

from collections.abc import Iterator

from inception_lens.errors import FormatError
from inception_lens.readers.weights.pickled_values import MAX_KEY_LENGTH, InertObject, PickledArray, PickledTensor

MAX_DEPTH = 24
"""Containers inside each other; what is deeper is not searched for tensors."""
MAX_TENSORS = 100_000
MODULE_TENSORS = ("_parameters", "_buffers", "_modules")
"""Attributes of a PyTorch module that hold its tensors and modules, whose names have no part for the attribute."""

PickledData = PickledTensor | PickledArray
"""A tensor of PyTorch or an array of NumPy."""


def named_tensors(loaded: object) -> dict[str, PickledData]:
    """The tensors in dictionaries, lists, tuples and attributes of objects; the names join keys by dots.

    Raises:
        FormatError: there are none, or more than MAX_TENSORS.
    """
    found: dict[str, PickledData] = {}
    _collect(loaded, "", found, set(), 0)
    if not found:
        raise FormatError("holds no tensors in dictionaries, lists, tuples or objects")
    return found


def _collect(value: object, name: str, found: dict[str, PickledData], seen: set[int], depth: int) -> None:
    """Add the tensors in nested containers to `found`; a container that contains itself is visited once."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], PickledArray):
        value = value[1]  # Paddle's pair of a parameter's name and its array
    if isinstance(value, PickledTensor | PickledArray):
        found[name or "tensor"] = value
        if len(found) > MAX_TENSORS:
            raise FormatError(f"holds more than {MAX_TENSORS:,} tensors")
        return
    if not isinstance(value, dict | list | tuple) or id(value) in seen or depth > MAX_DEPTH:
        return
    seen.add(id(value))
    for key, each in _items(value):
        path = f"{name}.{key}" if name and key else name or key
        _collect(each, path[:MAX_KEY_LENGTH], found, seen, depth + 1)


def _items(container: dict[object, object] | list[object] | tuple[object, ...]) -> Iterator[tuple[str, object]]:
    """The items of a container by key, and the attributes of an object; an empty key adds nothing to a name."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    yield from ((str(key)[:MAX_KEY_LENGTH], each) for key, each in items if isinstance(key, str | int))
    state = container.state if isinstance(container, InertObject) else None
    for attributes in state if isinstance(state, tuple) else (state,):  # a pair has those of __slots__ too
        if isinstance(attributes, dict):
            for key, each in attributes.items():
                yield "" if key in MODULE_TENSORS else str(key)[:MAX_KEY_LENGTH], each
