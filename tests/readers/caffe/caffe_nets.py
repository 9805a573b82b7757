"""Published nets as prototxts, written from their layer lists in each of Caffe's spellings."""

from collections.abc import Sequence

TABLE_1 = {
    "inception_3a": (64, 96, 128, 16, 32, 32),
    "inception_3b": (128, 128, 192, 32, 96, 64),
    "inception_4a": (192, 96, 208, 16, 48, 64),
    "inception_4b": (160, 112, 224, 24, 64, 64),
    "inception_4c": (128, 128, 256, 24, 64, 64),
    "inception_4d": (112, 144, 288, 32, 64, 64),
    "inception_4e": (256, 160, 320, 32, 128, 128),
    "inception_5a": (256, 160, 320, 32, 128, 128),
    "inception_5b": (384, 192, 384, 48, 128, 128),
}

V1 = {
    "Convolution": "CONVOLUTION", "Pooling": "POOLING", "ReLU": "RELU", "LRN": "LRN", "InnerProduct": "INNER_PRODUCT",
    "Dropout": "DROPOUT", "Softmax": "SOFTMAX", "Concat": "CONCAT",
}  # fmt: skip
V0 = {
    "Convolution": "conv", "Pooling": "pool", "ReLU": "relu", "LRN": "lrn", "InnerProduct": "innerproduct",
    "Dropout": "dropout", "Softmax": "softmax", "Concat": "concat",
}  # fmt: skip


class Builder:
    """Consecutive layers in the spelling `current`, `V1` or `V0`."""

    def __init__(self, spelling: str = "current") -> None:
        self.spelling, self.text, self.x = spelling, 'name: "Net"\n', ""

    def data(self, batch: int, channels: int, side: int) -> "Builder":
        sizes = (batch, channels, side, side)
        if self.spelling == "current":
            dims = " ".join(f"dim: {size}" for size in sizes)
            self.text += f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape: {{ {dims} }} }} }}\n'
        else:
            self.text += 'input: "data"\n' + "".join(f"input_dim: {size}\n" for size in sizes)
        self.x = "data"
        return self

    def raw(self, text: str, x: str = "") -> "Builder":
        self.text += text
        self.x = x or self.x
        return self

    def layer(self, kind: str, name: str, fields: str = "", bottoms: Sequence[str] = (), top: str = "") -> "Builder":
        top = top or name
        wires = "".join(f' bottom: "{each}"' for each in bottoms or [self.x]) + f' top: "{top}"'
        parameter = {"Convolution": "convolution_param", "Pooling": "pooling_param", "LRN": "lrn_param"}.get(kind)
        parameter = parameter or {"InnerProduct": "inner_product_param", "Dropout": "dropout_param"}.get(kind, "")
        if self.spelling == "V0":
            old = fields.replace("kernel_size", "kernelsize")
            self.text += f'layers {{ layer {{ name: "{name}" type: "{V0[kind]}" {old} }}{wires} }}\n'
        else:
            inner = f" {parameter} {{ {fields} }}" if fields else ""
            word = f'layer {{ name: "{name}" type: "{kind}"'
            if self.spelling == "V1":
                word = f'layers {{ name: "{name}" type: {V1[kind]}'
            self.text += f"{word}{wires}{inner} }}\n"
        self.x = top
        return self

    def conv(self, name: str, width: int, kernel: int, fields: str = "", *, relu: str = "") -> "Builder":
        self.layer("Convolution", name, f"num_output: {width} kernel_size: {kernel} {fields}")
        return self.layer("ReLU", relu or f"{name}/relu", top=name)

    def fc(self, name: str, width: int, *, relu: bool = True) -> "Builder":
        self.layer("InnerProduct", name, f"num_output: {width}")
        if relu:
            self.layer("ReLU", f"relu_{name}", top=name).layer(
                "Dropout", f"drop_{name}", "dropout_ratio: 0.5", top=name
            )
        return self

    def pool(self, name: str, kernel: int, stride: int, fields: str = "pool: MAX") -> "Builder":
        return self.layer("Pooling", name, f"{fields} kernel_size: {kernel} stride: {stride}")

    def lrn(self, name: str) -> "Builder":
        return self.layer("LRN", name, "local_size: 5 alpha: 0.0001 beta: 0.75")


def googlenet(*, training: bool = False) -> str:
    """bvlc_googlenet: `deploy` with a batch of 10, or `train_val` with one of 32, its two heads and their losses."""
    net = Builder()
    if training:
        crop = "transform_param { mirror: true crop_size: 224 }"
        for phase, batch in (("TRAIN", 32), ("TEST", 50)):
            net.raw(
                f'layer {{ name: "data" type: "Data" top: "data" top: "label" include {{ phase: {phase} }} {crop} '
                f'data_param {{ source: "lmdb" batch_size: {batch} backend: LMDB }} }}\n',
                "data",
            )
    else:
        net.data(10, 3, 224)
    net.conv("conv1/7x7_s2", 64, 7, "pad: 3 stride: 2").pool("pool1/3x3_s2", 3, 2).lrn("pool1/norm1")
    net.conv("conv2/3x3_reduce", 64, 1).conv("conv2/3x3", 192, 3, "pad: 1").lrn("conv2/norm2")
    net.pool("pool2/3x3_s2", 3, 2)
    for name, (one, reduce3, three, reduce5, five, proj) in TABLE_1.items():
        x, ends = net.x, [f"{name}/{each}" for each in ("1x1", "3x3", "5x5", "pool_proj")]
        net.conv(ends[0], one, 1)
        net.raw("", x).conv(f"{name}/3x3_reduce", reduce3, 1).conv(ends[1], three, 3, "pad: 1")
        net.raw("", x).conv(f"{name}/5x5_reduce", reduce5, 1).conv(ends[2], five, 5, "pad: 2")
        net.raw("", x).pool(f"{name}/pool", 3, 1, "pool: MAX pad: 1").conv(ends[3], proj, 1)
        net.layer("Concat", f"{name}/output", bottoms=ends)
        if training and name in ("inception_4a", "inception_4d"):
            _head(net, f"loss{1 if name.endswith('a') else 2}")
        if name in ("inception_3b", "inception_4e"):
            net.pool(f"pool{name[10]}/3x3_s2", 3, 2)
    net.pool("pool5/7x7_s1", 7, 1, "pool: AVE").layer("Dropout", "pool5/drop_7x7_s1", "dropout_ratio: 0.4", top=net.x)
    net.fc("loss3/classifier", 1000, relu=False)
    if training:
        _losses(net, "loss3", 1)
    else:
        net.layer("Softmax", "prob")
    return net.text


def _head(net: Builder, name: str) -> None:
    x = net.x
    net.pool(f"{name}/ave_pool", 5, 3, "pool: AVE").conv(f"{name}/conv", 128, 1)
    net.fc(f"{name}/fc", 1024).fc(f"{name}/classifier", 1000, relu=False)
    _losses(net, name, 0.3)
    net.x = x


def _losses(net: Builder, name: str, weight: float) -> None:
    wires = f'bottom: "{net.x}" bottom: "label"'
    net.raw(
        f'layer {{ name: "{name}/loss" type: "SoftmaxWithLoss" {wires} top: "{name}/loss" loss_weight: {weight} }}\n'
        f'layer {{ name: "{name}/top-1" type: "Accuracy" {wires} top: "{name}/top-1" include {{ phase: TEST }} }}\n'
    )


def alexnet(spelling: str = "current", *, caffenet: bool = False) -> str:
    """bvlc_alexnet; CaffeNet pools before it normalizes."""
    net = Builder(spelling).data(10, 3, 227)
    for i, (width, kernel, fields) in enumerate(((96, 11, "stride: 4"), (256, 5, "pad: 2 group: 2")), 1):
        net.conv(f"conv{i}", width, kernel, fields, relu=f"relu{i}")
        if caffenet:
            net.pool(f"pool{i}", 3, 2).lrn(f"norm{i}")
        else:
            net.lrn(f"norm{i}").pool(f"pool{i}", 3, 2)
    net.conv("conv3", 384, 3, "pad: 1").conv("conv4", 384, 3, "pad: 1 group: 2").conv(
        "conv5", 256, 3, "pad: 1 group: 2"
    )
    net.pool("pool5", 3, 2).fc("fc6", 4096).fc("fc7", 4096).fc("fc8", 1000, relu=False)
    return net.layer("Softmax", "prob").text


def vgg16(spelling: str = "V1") -> str:
    """VGG_ILSVRC_16_layers."""
    net = Builder(spelling).data(10, 3, 224)
    for i, (width, convs) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for j in range(1, convs + 1):
            net.conv(f"conv{i}_{j}", width, 3, "pad: 1")
        net.pool(f"pool{i}", 2, 2)
    return net.fc("fc6", 4096).fc("fc7", 4096).fc("fc8", 1000, relu=False).layer("Softmax", "prob").text


def nin() -> str:
    """Network in Network for ImageNet."""
    net = Builder("V1").data(10, 3, 224)
    net.conv("conv1", 96, 11, "stride: 4").conv("cccp1", 96, 1).conv("cccp2", 96, 1).pool("pool0", 3, 2)
    net.conv("conv2", 256, 5, "pad: 2").conv("cccp3", 256, 1).conv("cccp4", 256, 1).pool("pool2", 3, 2)
    net.conv("conv3", 384, 3, "pad: 1").conv("cccp5", 384, 1).conv("cccp6", 384, 1).pool("pool3", 3, 2)
    net.layer("Dropout", "drop", "dropout_ratio: 0.5", top="pool3")
    net.conv("conv4-1024", 1024, 3, "pad: 1").conv("cccp7-1024", 1024, 1).conv("cccp8-1024", 1000, 1)
    return net.layer("Pooling", "pool4", "pool: AVE global_pooling: true").layer("Softmax", "prob").text
