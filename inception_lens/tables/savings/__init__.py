"""The tables of `savings`, `what-if` and `sweep`."""
