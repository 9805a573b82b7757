"""From a graph to numbers: frozen columns, rows and sums."""
