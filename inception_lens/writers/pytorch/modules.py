"""From an operation to a PyTorch module and back, by the rows of one table, without importing PyTorch.

A row pairs one module class with one operation, setting by setting, and is read in both directions: from an operation
to a module's constructor by the source writer and by `pytorch/build`, from a module to its operation by the tracer. The
rows are in `module_table.py`; a new module is one row.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from inception_lens.ops import Op, Shape, TensorType

Condition = Callable[[Any, Shape], bool]
"""Of a module and the shape of its first input."""

InputTypes = tuple[TensorType, ...]
"""Types of the tensors that an operation reads."""


class ModuleSpec(NamedTuple):
    """A module as the name of its class and its keyword arguments."""

    kind: str
    """The class, without `nn.`."""
    arguments: dict[str, Any]
    """Keyword arguments of the constructor."""
    own: bool = False
    """Whether the class is in `pytorch/build/layers.py` or `pytorch/build/border.py`."""


class Setting(NamedTuple):
    """One fact about a layer: a constructor argument, an attribute of the module and a field of the operation."""

    argument: str
    """Of the constructor; empty where the constructor has no such argument, and the setting is only read."""
    field: str = ""
    """Of the operation; empty where the operation does not hold it, and the setting is only written."""
    attribute: str = ""
    """Path of the module's attribute, such as `border.kernel`; empty: named like the argument."""
    read: Callable[[Any, Shape], object] | None = None
    """From the attribute and the shape of the first input to the field; None: they are equal."""
    write: Callable[[Any, InputTypes], object] | None = None
    """From the operation and its inputs to the argument; None: it equals the field."""


class InputSize(NamedTuple):
    """A constructor argument that an operation does not hold, since it is the size of its first input's axis."""

    argument: str
    axis: int


class ModuleRow(NamedTuple):
    """One module class, and the operation that it computes.

    A field of the operation without a setting is written nowhere, and read as its default.
    """

    op: type[Op]
    module: str
    settings: tuple[Setting | InputSize, ...]
    """In the order of the constructor's arguments."""
    own: bool
    """As in `ModuleSpec`."""
    rank: int | None
    """Axes of the first input; None: any number."""
    readable: Condition | None
    """Whether the operation describes this module on an input of this shape; else, and where this is None, the tracer
    runs the module."""
    writable: Callable[[Any, InputTypes], bool]
    """Whether the module computes this operation on these inputs; else the next row of the operation is tried."""

    def write(self, op: Op, inputs: InputTypes) -> ModuleSpec:
        """The constructor of the module that computes `op`."""
        arguments: dict[str, Any] = {}
        for setting in self.settings:
            if isinstance(setting, InputSize):
                arguments[setting.argument] = inputs[0].shape[setting.axis]
            elif setting.argument:
                value = setting.write(op, inputs) if setting.write else getattr(op, setting.field)
                arguments[setting.argument] = value
        return ModuleSpec(self.module, arguments, self.own)

    def reader(self) -> Callable[[Any, Shape], Op | None] | None:
        """A function from a module and the shape of its first input to the operation; None where none is read.

        The function returns None where the operation does not describe what the module does on such an input.
        """
        readable, rank, kind = self.readable, self.rank, self.op
        if readable is None:
            return None
        sizes = [(attrgetter(each.argument), each.axis) for each in self.settings if isinstance(each, InputSize)]
        fields = [
            (each.field, attrgetter(each.attribute or each.argument), each.read)
            for each in self.settings
            if isinstance(each, Setting) and each.field
        ]

        def read(module: Any, shape: Shape) -> Op | None:
            if (rank is not None and len(shape) != rank) or not readable(module, shape):
                return None
            for size, axis in sizes:
                if size(module) != shape[axis]:
                    return None
            values = {
                field: convert(attribute(module), shape) if convert else attribute(module)
                for field, attribute, convert in fields
            }
            return kind(**values)

        return read


def always(*_: object) -> bool:
    """The condition that holds for everything."""
    return True


def never(*_: object) -> bool:
    """The condition that holds for nothing."""
    return False


def row(
    op: type[Op],
    *settings: str | Setting | InputSize,
    module: str = "",
    own: bool = False,
    rank: int | None = None,
    readable: Condition | None = always,
    writable: Callable[[Any, InputTypes], bool] = always,
) -> ModuleRow:
    """A row: a string is a setting that has this name everywhere; `module` is by default the operation's name."""
    named = tuple([Setting(each, each) if isinstance(each, str) else each for each in settings])
    return ModuleRow(op, module or op.__name__, named, own, rank, readable, writable)


def is_present(tensor: object, shape: Shape) -> bool:
    """Read whether a module has a tensor, which it keeps as None where it has not."""
    return tensor is not None
