"""Machines by name: how fast they compute and how fast their memory is, as their makers say."""

import msgspec

from inception_lens.errors import ConfigError, suggest


class Machine(msgspec.Struct, frozen=True):
    """One machine in one dtype."""

    name: str
    dtype: str
    """Of weights and activations."""
    flops_per_second: float
    """The peak for dense matrices, without sparsity."""
    bytes_per_second: float
    """Of its main memory."""
    source: str

    @property
    def title(self) -> str:
        """The name and the dtype, as a roofline time is always printed with them."""
        return f"{self.name} in {self.dtype}"


class _Model(msgspec.Struct, frozen=True):
    title: str
    bytes_per_second: float
    peaks: dict[str, float]
    """FLOPs per second by dtype, the one to take where none is asked for first."""
    source: str


_HOPPER = {
    "bfloat16": 989.4e12, "float16": 989.4e12, "float8_e4m3fn": 1978.9e12, "float32": 66.9e12,
    "float64": 66.9e12,
}  # fmt: skip

MACHINES: dict[str, _Model] = {
    "h200": _Model("H200 SXM", 4.8e12, _HOPPER, "NVIDIA H200 datasheet; its Tensor Core figures halved: no sparsity"),
    "h100": _Model("H100 SXM", 3.35e12, _HOPPER, "NVIDIA H100 datasheet; its Tensor Core figures halved: no sparsity"),
    "a100": _Model(
        "A100 SXM 80 GB",
        2.039e12,
        {"bfloat16": 312e12, "float16": 312e12, "float32": 19.5e12, "float64": 19.5e12},
        "NVIDIA A100 datasheet",
    ),
    "l4": _Model(
        "L4",
        0.3e12,
        {"bfloat16": 121e12, "float16": 121e12, "float8_e4m3fn": 242.5e12, "float32": 30.3e12},
        "NVIDIA L4 datasheet; its Tensor Core figures halved: no sparsity",
    ),
    "v100": _Model("V100 SXM2", 0.9e12, {"float16": 125e12, "float32": 15.7e12}, "NVIDIA V100 datasheet"),
    "t4": _Model("T4", 0.32e12, {"float16": 65e12, "float32": 8.1e12}, "NVIDIA T4 datasheet"),
    "k40": _Model("Tesla K40", 0.288e12, {"float32": 4.29e12}, "NVIDIA Tesla K40 board specification, base clock"),
}
"""By the name that `--machine` takes; float32 without TF32."""

DEFAULT = "h200"


def machine(name: str = DEFAULT) -> Machine:
    """The machine called `name`, such as `h200` or, in another dtype than its usual one, `h200:float32`.

    Raises:
        ConfigError: there is no such machine, or nobody says how fast it is in that dtype.
    """
    key, _, dtype = name.lower().partition(":")
    if key not in MACHINES:
        raise ConfigError(f"`{key}` is no machine{suggest(key, MACHINES)}")
    model = MACHINES[key]
    dtype = dtype or next(iter(model.peaks))
    if dtype not in model.peaks:
        raise ConfigError(f"`{name}`: the {model.title} has no figure for that dtype{suggest(dtype, model.peaks)}")
    return Machine(model.title, dtype, model.peaks[dtype], model.bytes_per_second, model.source)
