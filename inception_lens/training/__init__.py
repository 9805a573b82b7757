"""Data, augmentation, the loop, saved states, evaluation and ablation, for networks that come as Graphs."""
