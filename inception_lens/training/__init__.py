"""Training of networks that are Graphs: data, augmentation, the loop, checkpoints, evaluation and ablation."""
