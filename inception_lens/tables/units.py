"""Numbers with units, as people read them. Output for programs holds exact integers instead."""

_LARGE = tuple((1000**power, prefix) for power, prefix in zip(range(8, 0, -1), "YZEPTGMk", strict=True))


def at_least(exact: bool) -> str:
    """What is written before a sum: `>= ` if it leaves out what is unknown."""
    return "" if exact else ">= "


def count(number: int) -> str:
    """An exact count: `6,998,552`."""
    return f"{number:,}"


def short(number: int) -> str:
    """A large count to four digits: `118.0 M`, `1.583 G`."""
    return _scaled(number, 4)


def size(number_of_bytes: int) -> str:
    """A size to three digits, in powers of ten: `3.21 MB` is 3.21 x 10^6 bytes."""
    text = _scaled(number_of_bytes, 3)
    return f"{text}B" if text[-1].isalpha() else f"{text} B"


def duration(seconds: float) -> str:
    """A time to three digits: `12.3 µs`, `1.05 ms`."""
    scales = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
    factor, unit = next((scale for scale in scales if seconds >= scale[0] * 0.9995), (1e-9, "ns"))
    value = seconds / factor
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def percent(part: float, whole: float) -> str:
    """A share: `7.5 %`; a share of nothing is `-`."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def times(ratio: float) -> str:
    """A ratio to three digits: `0.96`, `21.4`, `123`."""
    return f"{ratio:.{2 if ratio < 9.995 else 1 if ratio < 99.95 else 0}f}"


def _scaled(number: int, digits: int) -> str:
    for factor, prefix in _LARGE:
        # What would round up to a thousand is written in the next larger unit.
        if abs(number) >= factor * (1 - 0.5 * 10**-digits):
            value = number / factor
            exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])  # of the value as rounded
            return f"{value:.{max(digits - 1 - max(exponent, 0), 0)}f} {prefix}"
    return str(number)
