"""Drawings of odd texts and shapes, in processes of their own: Graphviz is a C library, and would take us with it."""

import json
import random
import subprocess
import sys

from tests.attack.arena import ROOT, SEED, TRIED, cases, environment

ALPHABETS = [
    "ab/._-:", '\\"<>{}|&;#', "&amp;&#1;&lt", " \t\n\r\0\x01\x1b\x7f", "\u200b\u200d\u202e\u2066\ufeff\u00ad\u0301",
    "שלוםمرحبا", "漢字かな\U0001f600\U0001f469\U000e0061", "\ud800\udc00\ufffe\uffff", "\\N\\G\\E\\T\\H\\l\\r\\n", "%s$^_~",
]  # fmt: skip
DRAW = """
import json, resource, sys
from inception_lens.errors import InceptionLensError
from inception_lens.graph import About, Graph, Input, Output, Writer
from inception_lens.ops import Add, Concat, ReLU, TensorType, Unknown
from inception_lens.renderers.diagrams.diagram import diagram
from xml.etree import ElementTree
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for line in sys.stdin:
    case = json.loads(line)
    net = Writer([Input(case["input"], TensorType(tuple(case["shape"])))])
    made = [case["input"]]
    for name, inputs in case["nodes"]:
        op = ReLU() if len(inputs) == 1 else Add()
        try:
            made.append(net.add(name, op, *[made[i % len(made)] for i in inputs]))
        except InceptionLensError:
            pass
    if len(made) > 1:
        graph = net.graph([Output(made[-1])], about=About(case["name"], case["about"]))
        try:
            drawn = diagram(graph, **case["look"]).draw(case["form"])
            if case["form"] == "svg":
                ElementTree.fromstring(drawn)
        except InceptionLensError as error:
            assert str(error)
    print("done", flush=True)
"""


def text(chance: random.Random) -> str:
    """Odd characters, of one kind or of several; now and then many of them, or none."""
    kinds = chance.sample(ALPHABETS, chance.choice((1, 1, 2, 4)))
    length = chance.choice((0, 1, 1, 2, 5, 20, 70, 400))
    return "".join(chance.choice(chance.choice(kinds)) for _ in range(length))


def case(chance: random.Random) -> dict[str, object]:
    name, prefix = text(chance), text(chance)
    nodes = []
    for _ in range(chance.choice((1, 2, 5, 12))):
        own = text(chance) or "x"
        path = chance.choice((own, f"{name}/{own}", f"{prefix}/{name}/{own}", f"{own}/{name}"))
        nodes.append((path, [chance.randrange(20) for _ in range(chance.choice((1, 1, 2)))]))
    level = chance.choice(("network", "module", "layer"))
    look: dict[str, object] = {"level": level, "dark": chance.random() < 0.5, "title": chance.random() < 0.8}
    if level != "module":
        look["fold"] = chance.random() < 0.3
    look["heat"] = chance.choice((None, "macs", "activations"))
    look["style"] = chance.choice(("plain", "paper"))
    look["direction"] = chance.choice(("top-down", "left-to-right", "bottom-up"))
    shape = [chance.choice((1, 3, 10**9)) for _ in range(chance.choice((0, 1, 2, 4, 12)))]
    form = chance.choice(("svg", "svg", "svg", "png", "pdf", "dot"))
    told = {"name": name or "x", "about": prefix, "input": text(chance) or "in", "form": form, "look": look}
    return {**told, "nodes": nodes, "shape": shape}


def test_odd_texts_and_shapes() -> None:
    chance = random.Random(SEED)
    given = [json.dumps(case(chance)) for _ in range(cases(1_500))]
    call = [sys.executable, "-W", "error", "-c", DRAW]
    lines = "\n".join(given).encode()
    perturbed = environment() | {"MALLOC_PERTURB_": "165"}  # what is freed does not look whole any more
    done = subprocess.run(call, input=lines, capture_output=True, cwd=ROOT, env=perturbed, timeout=600, check=False)
    count = done.stdout.count(b"done")
    TRIED["drawings"] += count
    assert done.returncode == 0, (done.returncode, done.stderr.decode(errors="replace")[-3_000:], given[count])
    assert count == len(given)
    assert not done.stderr, done.stderr.decode(errors="replace")[:3_000]
