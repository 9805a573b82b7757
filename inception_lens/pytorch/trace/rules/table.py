"""All rules of operators, by the names that PyTorch's library gives them, such as `aten::relu`."""

from inception_lens.pytorch.trace.rules import pointwise, spatial, weights
from inception_lens.pytorch.trace.rules.rule import RuleTable

RULES: RuleTable = {
    f"aten::{name}": rule for table in (weights, spatial, pointwise) for name, rule in table.RULES.items()
}
