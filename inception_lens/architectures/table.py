"""Architectures as text tables, to be held beside the ones in the papers."""

from typing import TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)


def table(row: type[Row], text: str) -> dict[str, Row]:
    """Read a table whose first line names the columns and whose first column names the rows.

    A `-` stands for `none`; a column is a field of `row` by its encoded name.
    """
    header, *lines = (line.split() for line in text.strip().splitlines())
    cells = {line[0]: dict(zip(header[1:], line[1:], strict=True)) for line in lines}
    return {
        name: msgspec.convert({key: "none" if cell == "-" else cell for key, cell in given.items()}, row, strict=False)
        for name, given in cells.items()
    }
