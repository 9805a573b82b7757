"""The modules of GoogLeNet with the most multiply-accumulates and the most parameters."""

import inception_lens as il

analysis = il.analyze("googlenet")
modules = analysis.by_module(depth=1)

heaviest = max(modules, key=lambda module: module.macs)
print(f"{heaviest.name} does {100 * heaviest.macs / analysis.totals.macs:.1f} % of {analysis.totals.macs:,} MACs")

largest = max(modules, key=lambda module: module.params)
print(f"{largest.name} holds {100 * largest.params / analysis.totals.params:.1f} % of the parameters")
