"""All rules of operators, by the names that PyTorch's library gives them, such as `aten::relu`."""

from inception_lens.pytorch import rules_maps, rules_pointwise, rules_weights
from inception_lens.pytorch.operators import Rules

TABLES = (rules_weights, rules_maps, rules_pointwise)

RULES: Rules = {f"aten::{name}": rule for table in TABLES for name, rule in table.RULES.items()}
