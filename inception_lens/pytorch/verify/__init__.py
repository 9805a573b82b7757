"""Second opinions on counts, by PyTorch and other counters."""
