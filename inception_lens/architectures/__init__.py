"""Networks as configs: tables of widths, and the blocks that they are built of."""
