"""PyTorch both ways: networks built of graphs, weights into them, and graphs traced from any model."""
