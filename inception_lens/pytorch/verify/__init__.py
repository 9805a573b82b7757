"""Checks of counts and savings by PyTorch and by other counters."""
