"""PyTorch both ways: a Graph as an `nn.Module`, weights into it, and what it costs when it runs."""
