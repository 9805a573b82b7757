"""The project beside its peers, in the same process and the same run."""
