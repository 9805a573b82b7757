"""What TF-slim and torchvision save by 3x3 kernels in the "5x5" branches, the rest of the paper's network unchanged."""

import inception_lens as il

paper = il.analyze("googlenet").totals
ported = il.analyze(il.load("googlenet", kernel_5x5=3)).totals

print(f"{paper.params - ported.params:,} parameters and {paper.macs - ported.macs:,} MACs less")
