"""Models that PyTorch exports: the file has the counts of the module."""

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import shape_inference
from torch import Tensor, nn
from torch.nn import functional

import inception_lens as il
from inception_lens.errors import FormatError
from inception_lens.graph import Graph
from inception_lens.readers.onnx.model import OnnxModelReader, read_onnx
from inception_lens.readers.onnx.protos import declared_type
from inception_lens.readers.onnx.values import OnnxValue


def conv(channels: int, out: int, kernel: int = 3, stride: int = 1, *, act: nn.Module | None = None) -> nn.Sequential:
    layers = [nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, act if act is not None else nn.SiLU())


class Residual(nn.Module):
    """ResNet's basic block with a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        self.a, self.b = conv(8, 16, 3, 2, act=nn.ReLU()), conv(16, 16, act=nn.Identity())
        self.down, self.fc = nn.Conv2d(8, 16, 1, 2, bias=False), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = functional.relu(self.b(self.a(x)) + self.down(x))
        return self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))  # type: ignore[no-any-return]


class Inverted(nn.Module):
    """MobileNet V3's inverted residual with squeeze and excitation, and SiLU as in EfficientNet."""

    def __init__(self) -> None:
        super().__init__()
        self.expand, self.project = conv(8, 24, 1, act=nn.Hardswish()), conv(24, 8, 1, act=nn.Identity())
        self.depthwise = nn.Sequential(nn.Conv2d(24, 24, 5, 1, 2, groups=24), nn.BatchNorm2d(24), nn.ReLU6())
        self.squeeze, self.excite = nn.Conv2d(24, 6, 1), nn.Conv2d(6, 24, 1)
        self.silu, self.pad = conv(8, 8, 1), nn.ZeroPad2d((0, 1, 0, 1))
        self.last = nn.Conv2d(8, 8, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.expand(x))
        gate = functional.hardsigmoid(self.excite(functional.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        return self.last(self.pad(self.silu(x + self.project(y * gate))))  # type: ignore[no-any-return]


class Detector(nn.Module):
    """YOLO's parts: C2f, SPPF, a feature pyramid and a head without anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = conv(3, 8, 3, 2), conv(8, 16, 3, 2), conv(8, 8), conv(24, 32, 3, 2)
        self.pool, self.e = nn.MaxPool2d(5, 1, 2), conv(64, 32, 1)
        self.up, self.f = nn.Upsample(scale_factor=2), conv(56, 16, 1)
        self.heads = nn.ModuleList([nn.Conv2d(16, 21, 1), nn.Conv2d(32, 21, 1)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, z = (x := self.b(self.a(x))).chunk(2, 1)
        x = torch.cat((y, z, self.c(z)), 1)
        d = self.d(x)
        d = self.e(torch.cat((d, self.pool(d)), 1))
        maps = (self.f(torch.cat((self.up(d), x), 1)), d)
        flat = [head(each).flatten(2) for head, each in zip(self.heads, maps, strict=True)]
        box, classes = torch.split(torch.cat(flat, 2), [16, 5], 1)
        box = box.view(box.shape[0], 4, 4, -1).transpose(2, 1).softmax(1)
        return box.sum(1), classes.sigmoid()


class Transformer(nn.Module):
    """ViT's parts: patches, a class token, learned positions, and PyTorch's encoder layer."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.token = nn.Conv2d(3, 32, 8, 8), nn.Parameter(torch.zeros(1, 1, 32))
        self.positions = nn.Parameter(torch.zeros(1, 17, 32))
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True, norm_first=True)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.positions
        return self.head(self.norm(self.layer(x))[:, 0])  # type: ignore[no-any-return]


class Sequences(nn.Module):
    """Recurrent layers, a transposed convolution, norms, and many functions."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru = nn.LSTM(8, 6, bidirectional=True, batch_first=True), nn.GRU(12, 5, batch_first=True)
        self.up, self.prelu, self.norm = nn.ConvTranspose2d(1, 3, 4, 2, 1), nn.PReLU(3), nn.LayerNorm(10)
        self.instance = nn.InstanceNorm2d(3, affine=True)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.up(self.gru(self.lstm(x)[0])[0].unsqueeze(1))
        x = functional.pad(self.norm(self.prelu(self.instance(x))), (1, 1, 0, 2))
        x = functional.interpolate(x, scale_factor=2.0, mode="bilinear")
        x = torch.einsum("bchw,bdhw->bcd", x, functional.elu(x))
        found = (x.argmax(1), torch.topk(x, 2)[0], functional.log_softmax(x, 1), torch.where(x > 0, x, -x), x.cumsum(1))
        return (*found, torch.linalg.vector_norm(x, dim=1), x.clamp(min=0), functional.leaky_relu(x, 0.2))


class Bert(nn.Module):
    """BERT's parts: three tables, a mask, and post-norm attention of separate projections."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.types, self.places = nn.Embedding(50, 16), nn.Embedding(2, 16), nn.Embedding(12, 16)
        self.norm, self.after = nn.LayerNorm(16), nn.ModuleList([nn.LayerNorm(16), nn.LayerNorm(16)])
        self.query, self.key, self.value, self.out = (nn.Linear(16, 16) for _ in range(4))
        self.wide, self.narrow, self.pooler = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, 16)

    def forward(self, words: Tensor, types: Tensor) -> Tensor:
        x = self.norm(self.words(words) + self.types(types) + self.places.weight[None])
        mask = (words == 0)[:, None, None, :] * -1e9
        q, k, v = (each(x).view(1, 12, 2, 8).transpose(1, 2) for each in (self.query, self.key, self.value))
        found = functional.scaled_dot_product_attention(q, k, v, mask)
        x = self.after[0](x + self.out(found.transpose(1, 2).reshape(1, 12, 16)))
        x = self.after[1](x + self.narrow(functional.gelu(self.wide(x))))
        return torch.tanh(self.pooler(x[:, 0]))


class Llama(nn.Module):
    """Llama's parts: RMS norms, rotated queries and keys, grouped queries, a gated layer, and a tied head."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.norms = nn.Embedding(50, 16), nn.ModuleList([nn.RMSNorm(16, 1e-6) for _ in range(3)])
        self.query, self.keys, self.values = (nn.Linear(16, n, bias=False) for n in (16, 8, 8))
        self.out, self.gate, self.up = (nn.Linear(16, n, bias=False) for n in (16, 32, 32))
        self.down = nn.Linear(32, 16, bias=False)
        angles = torch.arange(12.0)[:, None] / 10_000 ** (torch.arange(0, 8, 2) / 8)
        self.angles = nn.Buffer(torch.cat((angles, angles), -1))

    def turned(self, x: Tensor) -> Tensor:
        first, second = x[..., :4], x[..., 4:]
        return x * self.angles.cos() + torch.cat((-second, first), -1) * self.angles.sin()

    def forward(self, words: Tensor) -> Tensor:
        x = self.words(words)
        y = self.norms[0](x)
        q, k, v = (
            each(y).view(1, 12, heads, 8).transpose(1, 2)
            for each, heads in ((self.query, 2), (self.keys, 1), (self.values, 1))
        )
        k, v = (each.expand(1, 2, 12, 8) for each in (self.turned(k), v))
        found = functional.scaled_dot_product_attention(self.turned(q), k, v, is_causal=True)
        x = x + self.out(found.transpose(1, 2).reshape(1, 12, 16))
        y = self.norms[1](x)
        x = x + self.down(functional.silu(self.gate(y)) * self.up(y))
        return functional.linear(self.norms[2](x), self.words.weight)


def image(side: int, channels: int = 3, batch: int = 2) -> Callable[[], tuple[Tensor, ...]]:
    return lambda: (torch.rand(batch, channels, side, side),)


TOKENS = torch.arange(12)[None]


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]]]] = {
    "residual": (Residual, image(32)),
    "inverted": (Inverted, image(16, 8)),
    "detector": (Detector, image(32)),
    "transformer": (Transformer, image(32, batch=1)),
    "sequences": (Sequences, lambda: (torch.rand(2, 7, 8),)),
    "bert": (Bert, lambda: (TOKENS, TOKENS % 2)),
    "llama": (Llama, lambda: (TOKENS,)),
}
EXPORTERS = [
    *[(name, False, 17) for name in MODELS if name != "llama"],  # whose norm the older exporter does not support
    *[("detector", False, opset) for opset in (9, 11, 13, 20)],
    *[(name, True, 20) for name in ("transformer", "bert", "llama")],
]
"""Models, whether they are exported through torch.export, and the opset."""


def example_model(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """A model whose tensors all differ, so that an exporter does not merge any, and an example of its inputs."""
    torch.manual_seed(0)
    build, example = MODELS[name]
    module = build().eval()
    for tensor in module.parameters():
        if tensor.is_floating_point():
            tensor.data.uniform_(0.5, 1.5)
    return module, example()


def exported(folder: Path, name: str, dynamo: bool, opset: int) -> str:
    module, example = example_model(name)
    path = str(folder / "model.onnx")
    quiet = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        torch.onnx.export(module, example, path, dynamo=dynamo, opset_version=opset)
    return path


def without_norms(module: nn.Module) -> int:
    """Parameters once each batch norm is folded into the convolution before it, which then has a bias."""
    count = sum(parameter.numel() for parameter in module.parameters())
    convs = [each for each in module.modules() if isinstance(each, nn.Conv2d)]
    norms = sum(each.num_features for each in module.modules() if isinstance(each, nn.BatchNorm2d))
    biased = 24 if any(each.groups > 1 and each.bias is not None for each in convs) else 0
    return count - norms - biased


@pytest.fixture(scope="module")
def traced() -> dict[str, Any]:
    return {}


@pytest.mark.parametrize(("name", "dynamo", "opset"), EXPORTERS)
def test_a_file_has_the_counts_of_its_module(
    tmp_path: Path, traced: dict[str, Any], name: str, dynamo: bool, opset: int
) -> None:
    path = exported(tmp_path, name, dynamo, opset)
    (tmp_path / "model.onnx.data").unlink(missing_ok=True)  # weights are not needed
    graph, seen = reading(path)
    module, example = example_model(name)
    if name not in traced:
        traced[name] = il.analyze(module, example)
    totals = il.analyze(graph).totals
    assert totals.exact
    assert totals.macs == traced[name].totals.macs
    assert totals.params == without_norms(module)
    check_against_onnx(path, seen)


def reading(path: str) -> tuple[Graph, dict[str, OnnxValue]]:
    """The graph, and the value of every tensor of the file."""
    reader = OnnxModelReader(onnx.load(path, load_external_data=False), path)
    return reader.graph(None, "inference"), reader.values


def check_against_onnx(path: str, seen: dict[str, OnnxValue]) -> None:
    """Every type that ONNX's shape inference finds is the one of our rules."""
    inferred = shape_inference.infer_shapes(onnx.load(path, load_external_data=False), data_prop=True)
    checked = 0
    for info in (*inferred.graph.value_info, *inferred.graph.output):
        declared = declared_type(info)
        if declared is not None and info.name in seen:
            assert (info.name, seen[info.name].type) == (info.name, declared)
            checked += 1
    assert checked > 5


def test_nodes_have_the_paths_of_their_modules(tmp_path: Path) -> None:
    names = [node.name for node in read_onnx(exported(tmp_path, "residual", False, 17)).nodes]
    assert names[:4] == ["stem/0", "stem/1", "stem/2", "a/0"]
    assert names[-1] == "fc"


def test_an_open_batch_is_one_and_other_open_sizes_must_be_given(tmp_path: Path) -> None:
    module, path = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), str(tmp_path / "free.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.rand(1, 3, 8, 8),),
            path,
            dynamo=False,
            input_names=["image"],
            dynamic_axes={"image": {0: "batch", 2: "height"}},
        )
    with pytest.raises(FormatError, match=r"`image` has sizes that are not fixed \(batch, height\)"):
        read_onnx(path)
    assert il.load(path, (2, 3, 16, 8)).inputs[0].type.shape == (2, 3, 16, 8)
    assert il.load(path, {"image": (3, 16, 8)}).inputs[0].type.shape == (1, 3, 16, 8)
    with pytest.raises(FormatError, match="weights of 4x3x3x3 do not fit an input of 1x5x16x8"):
        il.load(path, (1, 5, 16, 8))
    with pytest.raises(FormatError, match=r"no input `img`.*did you mean `image`"):
        il.load(path, {"img": (1, 3, 8, 8)})
