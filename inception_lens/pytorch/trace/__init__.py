"""From a PyTorch model to a Graph."""
