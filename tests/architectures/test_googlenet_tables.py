import pytest

from inception_lens.architectures.googlenet import PAPER, TABLE_1, InceptionModule
from inception_lens.architectures.googlenet.tables import parse_table


def test_columns_are_matched_by_name() -> None:
    text = """
        module         pool_proj  1x1  5x5  3x3_reduce  3x3  5x5_reduce
        inception_3a      32       64   32      96      128      -
    """
    row = parse_table(InceptionModule, text)["inception_3a"]
    assert (row.pool_proj, row.conv_1x1, row.reduce_3x3, row.reduce_5x5) == (32, 64, 96, "none")


def test_table_1_of_the_paper() -> None:
    assert parse_table(InceptionModule, TABLE_1) == PAPER.modules
    assert len(PAPER.modules) == 9


@pytest.mark.parametrize("text", ["module 1x1 3x3\na 1", "module 1x1 9x9\na 1 2"])
def test_a_row_or_column_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse_table(InceptionModule, text)
