"""PyTorch both ways: networks built of graphs, their weights and their measured cost; graphs traced from any model."""
