"""PyTorch in both directions: graphs from any model, and modules from any graph."""
