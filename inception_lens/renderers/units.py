"""Numbers as people read them. Machine output never comes through here: it holds exact integers."""

_LARGE = tuple((1000**power, prefix) for power, prefix in zip(range(8, 0, -1), "YZEPTGMk", strict=True))


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


def percent(part: float, whole: float) -> str:
    """A share: `7.5 %`; a share of nothing is `-`."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _scaled(number: int, digits: int) -> str:
    for factor, prefix in _LARGE:
        # What would round up to a thousand is written in the next larger unit.
        if abs(number) >= factor * (1 - 0.5 * 10**-digits):
            value = number / factor
            exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])  # of the value as rounded
            return f"{value:.{max(digits - 1 - max(exponent, 0), 0)}f} {prefix}"
    return str(number)
