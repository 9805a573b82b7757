"""The saving of 3x3 kernels in the "5x5" branches, as in TF-slim and torchvision; the rest is the paper's network."""

import inception_lens as il

paper = il.analyze("googlenet").totals
smaller = il.analyze("googlenet", kernel_5x5=3).totals

print(f"{paper.params - smaller.params:,} parameters and {paper.macs - smaller.macs:,} MACs fewer")
