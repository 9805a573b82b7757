"""Diagrams with unusual texts and shapes, in a process of their own: a crash of Graphviz, a C library, would end this one."""

import json
import random
import subprocess
import sys

from tests.attack.harness import COUNTS, ROOT, SEED, WALL_SECONDS, environment, scaled

ALPHABETS = [
    "ab/._-:", '\\"<>{}|&;#', "&amp;&#1;&lt", " \t\n\r\0\x01\x1b\x7f", "\u200b\u200d\u202e\u2066\ufeff\u00ad\u0301",
    "שלוםمرحبا", "漢字かな\U0001f600\U0001f469\U000e0061", "\ud800\udc00\ufffe\uffff", "\\N\\G\\E\\T\\H\\l\\r\\n", "%s$^_~",
]  # fmt: skip
DRAW = """
import json, resource, sys
from inception_lens.errors import InceptionLensError
from inception_lens.graph import Metadata, Graph, Input, Output, Writer
from inception_lens.ops import Add, Concat, ReLU, TensorType, Unknown
from inception_lens.renderers.diagrams.diagram import diagram
from xml.etree import ElementTree
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for line in sys.stdin:
    case = json.loads(line)
    net = Writer([Input(case["input"], TensorType(tuple(case["shape"])))])
    names = [case["input"]]
    for name, inputs in case["nodes"]:
        op = ReLU() if len(inputs) == 1 else Add()
        try:
            names.append(net.add(name, op, *[names[i % len(names)] for i in inputs]))
        except InceptionLensError:
            pass
    if len(names) > 1:
        graph = net.graph([Output(names[-1])], metadata=Metadata(case["name"], case["about"]))
        try:
            drawn = diagram(graph, **case["look"]).draw(case["form"])
            if case["form"] == "svg":
                ElementTree.fromstring(drawn)
        except InceptionLensError as error:
            assert str(error)
    print("done", flush=True)
"""


def random_text(rng: random.Random) -> str:
    """Unusual characters of one or several kinds; sometimes many, sometimes none."""
    kinds = rng.sample(ALPHABETS, rng.choice((1, 1, 2, 4)))
    length = rng.choice((0, 1, 1, 2, 5, 20, 70, 400))
    return "".join(rng.choice(rng.choice(kinds)) for _ in range(length))


def random_case(rng: random.Random) -> dict[str, object]:
    name, prefix = random_text(rng), random_text(rng)
    nodes = []
    for _ in range(rng.choice((1, 2, 5, 12))):
        own = random_text(rng) or "x"
        path = rng.choice((own, f"{name}/{own}", f"{prefix}/{name}/{own}", f"{own}/{name}"))
        nodes.append((path, [rng.randrange(20) for _ in range(rng.choice((1, 1, 2)))]))
    level = rng.choice(("network", "module", "layer"))
    look: dict[str, object] = {"level": level, "dark": rng.random() < 0.5, "title": rng.random() < 0.8}
    if level != "module":
        look["fold"] = rng.random() < 0.3
    look["heat"] = rng.choice((None, "macs", "activations"))
    look["style"] = rng.choice(("plain", "paper"))
    look["direction"] = rng.choice(("top-down", "left-to-right", "bottom-up"))
    shape = [rng.choice((1, 3, 10**9)) for _ in range(rng.choice((0, 1, 2, 4, 12)))]
    form = rng.choice(("svg", "svg", "svg", "png", "pdf", "dot"))
    case = {"name": name or "x", "about": prefix, "input": random_text(rng) or "in", "form": form, "look": look}
    return {**case, "nodes": nodes, "shape": shape}


def test_diagrams_of_unusual_texts_and_shapes() -> None:
    rng = random.Random(SEED)
    lines = [json.dumps(random_case(rng)) for _ in range(scaled(1_500))]
    call = [sys.executable, "-W", "error", "-c", DRAW]
    text = "\n".join(lines).encode()
    perturbed = environment() | {"MALLOC_PERTURB_": "165"}  # overwrites freed memory, so that its use shows
    done = subprocess.run(
        call, input=text, capture_output=True, cwd=ROOT, env=perturbed, timeout=3 * WALL_SECONDS, check=False
    )
    count = done.stdout.count(b"done")
    COUNTS["drawings"] += count
    assert done.returncode == 0, (done.returncode, done.stderr.decode(errors="replace")[-3_000:], lines[count])
    assert count == len(lines)
    assert not done.stderr, done.stderr.decode(errors="replace")[:3_000]
