"""Architectures as text tables, to be held beside the ones in the papers."""

from typing import TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)


def table(row: type[Row], text: str) -> dict[str, Row]:
    """Read a table whose first line names the columns and whose first column names the rows.

    A `-` stands for `none`; a column is a field of `row` by its encoded name.
    """
    header, *lines = (line.split() for line in text.strip().splitlines())
    fields = dict(zip(row.__struct_encode_fields__, row.__struct_fields__, strict=True))
    columns = [fields[title] for title in header[1:]]
    return {
        name: row(**{column: "none" if cell == "-" else int(cell) for column, cell in zip(columns, cells, strict=True)})
        for name, *cells in lines
    }
