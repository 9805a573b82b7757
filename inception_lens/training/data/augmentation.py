"""Augmentation and normalisation on the device. Random draws are a function of (seed, epoch, step)."""

from math import log

import torch
from torch import Tensor
from torch.nn import functional

from inception_lens.training.data.dataset import Dataset
from inception_lens.training.randomness import generator
from inception_lens.training.recipe import Augmentation

DRAWS_PER_IMAGE = 8
"""Random numbers per image: area, aspect, y, x, flip, brightness, contrast, saturation."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma (ITU-R BT.601)."""


def source_side(augmentation: Augmentation, side: int) -> int:
    """The side of stored images for a network input of `side` pixels: 256 for 224 if crops are random."""
    if augmentation.source_side:
        return max(augmentation.source_side, side)
    return side if augmentation.crop == "none" else round(side * 8 / 7)


def draws(seed: int, epoch: int, step: int, batch: int) -> Tensor:
    """The random numbers of one global batch, `(batch, DRAWS_PER_IMAGE)`, 0 to 1; equal in every process."""
    return torch.rand(batch, DRAWS_PER_IMAGE, generator=generator(seed, "augment", epoch, step))


class Preparation:
    """Turns images of a dataset into network inputs, for training and for evaluation."""

    def __init__(
        self,
        augmentation: Augmentation,
        shape: tuple[int, int, int],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        device: torch.device,
    ) -> None:
        self.augmentation, self.shape = augmentation, shape
        self.mean, self.std = [torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (mean, std)]
        self.luma = torch.tensor(LUMA, device=device).view(1, 3, 1, 1)

    @classmethod
    def of(
        cls, augmentation: Augmentation, shape: tuple[int, int, int], dataset: Dataset, device: torch.device
    ) -> "Preparation":
        """A preparation with the mean and deviation of a dataset."""
        return cls(augmentation, shape, dataset.mean, dataset.std, device)

    def training(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Augment bytes `(N, H, W, C)` into a batch `(N, channels, height, width)`; `drawn` has a row per image."""
        x = self._floats(images)
        if self.augmentation.crop != "none" or self.augmentation.flip or self.augmentation.shift:
            x = self._sampled(x, drawn.to(x.device, non_blocking=True))
        if self.augmentation.color:
            x = self._colored(x, drawn.to(x.device, non_blocking=True))
        return self._normalised(x)

    def evaluation(self, images: Tensor, crops: int = 1) -> Tensor:
        """The centre of each image, or ten consecutive crops of it: `(N * crops, channels, height, width)`."""
        x = self._floats(images)
        height, width = self.shape[1:]
        if crops == 10 and x.shape[-2:] == (height, width):  # crops need a larger image
            x = functional.interpolate(x, (round(height * 8 / 7), round(width * 8 / 7)), mode="bilinear")
        top, left = x.shape[2] - height, x.shape[3] - width
        if min(top, left) < 0:
            raise ValueError(f"images of {x.shape[2]}x{x.shape[3]} are smaller than {height}x{width}")
        corners = [(top // 2, left // 2)]
        if crops == 10:
            corners += [(0, 0), (0, left), (top, 0), (top, left)]
        cut = [x[:, :, y : y + height, z : z + width] for y, z in corners]
        if crops == 10:
            cut += [each.flip(3) for each in cut]
        return self._normalised(torch.stack(cut, 1).flatten(0, 1) if crops == 10 else cut[0])

    def _floats(self, images: Tensor) -> Tensor:
        return images.permute(0, 3, 1, 2).float() / 255

    def _normalised(self, x: Tensor) -> Tensor:
        x = (x - self.mean) / self.std
        channels = self.shape[0]
        if x.shape[1] != channels:  # grey images are repeated, colours are averaged
            x = (x if x.shape[1] == 1 else x.mean(1, keepdim=True)).expand(-1, channels, -1, -1)
        return x.contiguous(memory_format=torch.channels_last)

    def _sampled(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Crop, flip and shift by one bilinear sampling, so that pixels are interpolated only once."""
        height, width = self.shape[1:]
        scale_y, scale_x = self._scales(x, drawn)
        flip = torch.where(drawn[:, 4] < 0.5, -1.0, 1.0) if self.augmentation.flip else torch.ones_like(scale_x)
        if self.augmentation.crop == "none":
            pixels = self.augmentation.shift
            # A uniform integer from -shift to shift; in grid coordinates an image is 2 wide.
            move_y, move_x = (
                2 * ((drawn[:, k] * (2 * pixels + 1)).floor() - pixels) / size for k, size in ((2, height), (3, width))
            )
        else:
            move_y, move_x = ((2 * drawn[:, k] - 1) * (1 - scale) for k, scale in ((2, scale_y), (3, scale_x)))
        zero = torch.zeros_like(scale_x)
        theta = torch.stack(
            [torch.stack([scale_x * flip, zero, move_x], 1), torch.stack([zero, scale_y, move_y], 1)], 1
        )
        padding = "zeros" if self.augmentation.crop == "none" else "border"
        grid = functional.affine_grid(theta, [len(x), x.shape[1], height, width], align_corners=False)
        return functional.grid_sample(x, grid, mode="bilinear", padding_mode=padding, align_corners=False)

    def _scales(self, x: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Height and width of each crop relative to the image."""
        if self.augmentation.crop != "resized":
            sizes = zip(self.shape[1:], x.shape[2:], strict=True)
            uncropped = self.augmentation.crop == "none"
            height, width = (1.0 if uncropped else size / stored for size, stored in sizes)
            return torch.full_like(drawn[:, 0], height), torch.full_like(drawn[:, 0], width)
        (low, high), (narrow, wide) = self.augmentation.area, self.augmentation.aspect
        area = low + (high - low) * drawn[:, 0]
        ratio = torch.exp(log(narrow) + (log(wide) - log(narrow)) * drawn[:, 1]).sqrt()
        return (area.sqrt() / ratio).clamp_max(1), (area.sqrt() * ratio).clamp_max(1)

    def _colored(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Scale brightness, contrast and saturation by random factors in 1 ± `color`."""
        brightness, contrast, saturation = (
            (1 + self.augmentation.color * (2 * drawn[:, k] - 1)).view(-1, 1, 1, 1) for k in (5, 6, 7)
        )
        x = (x * brightness).clamp(0, 1)
        grey = (x * self.luma).sum(1, keepdim=True) if x.shape[1] == 3 else x
        middle = grey.mean((2, 3), keepdim=True)
        x = (middle + contrast * (x - middle)).clamp(0, 1)
        if x.shape[1] == 3:
            grey = (x * self.luma).sum(1, keepdim=True)
            x = (grey + saturation * (x - grey)).clamp(0, 1)
        return x
