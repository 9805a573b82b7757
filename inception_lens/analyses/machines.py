"""Named machines: peak arithmetic and memory bandwidth from their makers' datasheets."""

import os
import platform

import msgspec

from inception_lens.errors import ConfigError, suggest


class Machine(msgspec.Struct, frozen=True):
    """One machine in one dtype."""

    name: str
    """Name of the product."""
    dtype: str
    """Of weights and activations."""
    flops_per_second: float
    """Peak for dense matrices, without sparsity."""
    bytes_per_second: float
    """Bandwidth of the main memory."""
    source: str
    """Where the figures are published."""

    @property
    def title(self) -> str:
        """Name and dtype, which are printed with every roofline time."""
        return f"{self.name} in {self.dtype}"


class _Product(msgspec.Struct, frozen=True):
    title: str
    bytes_per_second: float
    peaks: dict[str, float]
    """FLOPs per second by dtype; the first is the default dtype."""
    source: str


_HOPPER = {
    "bfloat16": 989.4e12, "float16": 989.4e12, "float8_e4m3fn": 1978.9e12, "float32": 66.9e12, "float64": 66.9e12,
}  # fmt: skip
_AMPERE = {"bfloat16": 312e12, "float16": 312e12, "float32": 19.5e12, "float64": 19.5e12}
_ADA = {"bfloat16": 121e12, "float16": 121e12, "float8_e4m3fn": 242.5e12, "float32": 30.3e12}
_HALVED = "datasheet; its Tensor Core figures halved: no sparsity"

MACHINES: dict[str, _Product] = {
    "h200": _Product("H200 SXM", 4.8e12, _HOPPER, f"NVIDIA H200 {_HALVED}"),
    "h100": _Product("H100 SXM", 3.35e12, _HOPPER, f"NVIDIA H100 {_HALVED}"),
    "a100": _Product("A100 SXM 80 GB", 2.039e12, _AMPERE, "NVIDIA A100 datasheet"),
    "l4": _Product("L4", 0.3e12, _ADA, f"NVIDIA L4 {_HALVED}"),
    "v100": _Product("V100 SXM2", 0.9e12, {"float16": 125e12, "float32": 15.7e12}, "NVIDIA V100 datasheet"),
    "t4": _Product("T4", 0.32e12, {"float16": 65e12, "float32": 8.1e12}, "NVIDIA T4 datasheet"),
    "k40": _Product("Tesla K40", 0.288e12, {"float32": 4.29e12}, "NVIDIA Tesla K40 board specification, base clock"),
}
"""By the name that `--machine` takes; float32 without TF32."""

DEFAULT = "h200"


def host() -> str:
    """The architecture and number of cores of the machine that runs this code."""
    return f"{platform.machine()}, {os.cpu_count()} cores"


def machine(name: str = DEFAULT) -> Machine:
    """The machine called `name`, such as `h200`, or `h200:float32` to choose another dtype than its default.

    Raises:
        ConfigError: the machine is unknown, or has no published peak in that dtype.
    """
    key, _, dtype = name.lower().partition(":")
    if key not in MACHINES:
        raise ConfigError(f"`{key}` is not a known machine{suggest(key, MACHINES)}")
    model = MACHINES[key]
    dtype = dtype or next(iter(model.peaks))
    if dtype not in model.peaks:
        raise ConfigError(
            f"`{name}`: no peak of the {model.title} is published in `{dtype}`{suggest(dtype, model.peaks)}"
        )
    return Machine(model.title, dtype, model.peaks[dtype], model.bytes_per_second, model.source)
