"""From a Graph to an `nn.Module`."""
