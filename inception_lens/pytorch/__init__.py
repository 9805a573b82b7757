"""PyTorch both ways: networks built of graphs, and graphs traced from any model."""
