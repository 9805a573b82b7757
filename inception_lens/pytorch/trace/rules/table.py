"""All rules of operators, by the names that PyTorch's library gives them, such as `aten::relu`."""

from inception_lens.pytorch.trace.operators import Rules
from inception_lens.pytorch.trace.rules import maps as rules_maps
from inception_lens.pytorch.trace.rules import pointwise as rules_pointwise
from inception_lens.pytorch.trace.rules import weights as rules_weights

TABLES = (rules_weights, rules_maps, rules_pointwise)

RULES: Rules = {f"aten::{name}": rule for table in TABLES for name, rule in table.RULES.items()}
