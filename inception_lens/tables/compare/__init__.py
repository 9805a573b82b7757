"""The tables of `compare`: differences between two networks in words, with what they cost."""
