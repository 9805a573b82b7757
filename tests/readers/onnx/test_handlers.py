"""Every operator that can be read is tested, in each form that an opset gives it."""

from collections import defaultdict

import onnx

from inception_lens.readers.onnx.handlers import HANDLERS, MICROSOFT_HANDLERS
from tests.readers.onnx import test_microsoft, test_old_forms, test_opsets, test_quantization, test_sequences
from tests.readers.onnx.test_operators import node_tests

CASES = [
    case
    for module in (test_microsoft, test_old_forms, test_opsets, test_quantization, test_sequences)
    for case in module.CASES.values()
]


def opsets_of_tests() -> dict[str, set[int]]:
    """The opsets in which ONNX's node tests and the cases have each of ONNX's operators."""
    found: dict[str, set[int]] = defaultdict(set)
    for op, tests in node_tests().items():
        for _, model, _, _ in tests:
            found[op] |= {each.version for each in model.opset_import if not each.domain}
    for case in CASES:
        for node in case.nodes:
            if not node.domain:
                found[node.op_type].add(case.opset)
    return found


def forms() -> dict[str, list[range]]:
    """For each of ONNX's operators, the ranges of opsets in which it has the same inputs, outputs and attributes."""
    found: dict[str, list[tuple[object, int]]] = defaultdict(list)
    for schema in sorted(onnx.defs.get_all_schemas_with_history(), key=lambda schema: schema.since_version):
        if schema.domain or schema.name not in HANDLERS:
            continue
        attributes = {name: (str(each.default_value), each.required) for name, each in schema.attributes.items()}
        form = None if schema.deprecated else ([each.name for each in schema.inputs], len(schema.outputs), attributes)
        if not found[schema.name] or found[schema.name][-1][0] != form:
            found[schema.name].append((form, schema.since_version))
    last = onnx.defs.onnx_opset_version() + 1
    return {
        op: [
            range(start, end)
            for (form, start), end in zip(starts, [*[start for _, start in starts[1:]], last], strict=True)
            if form is not None
        ]
        for op, starts in found.items()
    }


def test_every_operator_of_onnx_is_tested_in_every_form() -> None:
    tested = opsets_of_tests()
    missing = {(op, each) for op, ranges in forms().items() for each in ranges if not tested[op] & set(each)}
    assert not missing
    assert set(forms()) | {"SimplifiedLayerNormalization"} == set(HANDLERS)  # onnxruntime writes it in ONNX's domain


def test_every_operator_of_onnxruntime_is_tested() -> None:
    assert {node.op_type for case in CASES for node in case.nodes if node.domain} == set(MICROSOFT_HANDLERS)
