"""The cost of your own PyTorch network: an Inception block between a stem and a head."""

import torch
from torch import Tensor, nn

import inception_lens as il


class Block(nn.Module):
    """Two branches that read the same input: a 1x1 convolution, and a 5x5 convolution after a reduction."""

    def __init__(self, channels: int, reduce: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, 48, 1)
        self.reduce, self.five = nn.Conv2d(channels, reduce, 1), nn.Conv2d(reduce, 48, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        five = self.five(torch.relu(self.reduce(x)))
        return torch.relu(torch.cat([self.one(x), five], 1))


class Net(nn.Module):
    """A stem, a block and a head."""

    def __init__(self, reduce: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, stride=2, padding=1)
        self.block = Block(64, reduce)
        self.head = nn.Linear(96, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.block(self.stem(image)).mean((2, 3)))
        return logits


if __name__ == "__main__":
    for reduce in (8, 16, 32):
        with torch.device("meta"):
            totals = il.analyze(Net(reduce), (1, 3, 32, 32)).totals
        print(f"reduction to {reduce} channels: {totals.params:,} parameters, {totals.macs:,} MACs")
