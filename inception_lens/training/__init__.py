"""Training: data, augmentation, the loop, checkpoints, evaluation, ablation. Receives Graphs, builds through PyTorch."""
