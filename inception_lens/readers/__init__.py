"""From a format to a network: each reader knows its format and nothing else."""
