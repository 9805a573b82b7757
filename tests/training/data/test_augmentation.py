"""Augmentation follows the recipe, and draws the same numbers in every process."""

import pytest
import torch
from torch import Tensor

from inception_lens.training.data.augmentation import DRAWS_PER_IMAGE, Preparation, draws, source_side
from inception_lens.training.recipe import Augmentation

CPU = torch.device("cpu")


def preparation(size: int = 16, channels: int = 3, stored: int = 3, **options: object) -> Preparation:
    wanted = Augmentation(**options)  # type: ignore[arg-type]
    return Preparation(wanted, (channels, size, size), (0.0,) * stored, (1.0,) * stored, CPU)


def ramp(count: int = 8, side: int = 16) -> Tensor:
    """Images whose red value is 10 times the column, whose green value is 10 times the row."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    image = torch.stack([10 * x, 10 * y, torch.full_like(x, 100)], -1).to(torch.uint8)
    return image.expand(count, -1, -1, -1)


def test_draws_are_a_function_of_seed_epoch_and_step() -> None:
    one = draws(0, 3, 5, 64)
    assert one.shape == (64, DRAWS_PER_IMAGE)
    assert torch.equal(one, draws(0, 3, 5, 64))
    for other in (draws(1, 3, 5, 64), draws(0, 4, 5, 64), draws(0, 3, 6, 64)):
        assert not torch.equal(one, other)


def test_part_of_a_batch_is_augmented_as_in_the_full_batch() -> None:
    prepared, drawn = preparation(crop="resized", color=0.4), draws(0, 0, 0, 8)
    full = prepared.training(ramp(), drawn)
    assert torch.allclose(prepared.training(ramp(4), drawn[4:]), full[4:], atol=1e-6)


def test_without_augmentation_images_are_unchanged() -> None:
    x = preparation(crop="none", flip=False).training(ramp(), draws(0, 0, 0, 8))
    assert torch.allclose(x, ramp().permute(0, 3, 1, 2) / 255)
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_a_shift_moves_by_integer_pixels_over_a_black_border() -> None:
    images, drawn = torch.full((512, 16, 16, 3), 255, dtype=torch.uint8), draws(0, 0, 0, 512)
    x = preparation(crop="none", flip=False, shift=2).training(images, drawn)
    assert torch.allclose(x, x.round(), atol=1e-4)
    rows = (x[:, 0].amax(2) < 0.5).sum(1)
    assert sorted(set(rows.tolist())) == [0, 1, 2]
    assert rows.float().mean() == pytest.approx(6 / 5, abs=0.15)


def test_half_of_the_images_are_flipped() -> None:
    x = preparation(crop="none", flip=True).training(ramp(512), draws(0, 0, 0, 512))
    flipped = x[:, 0, 0, 0] > x[:, 0, 0, -1]
    assert 0.4 < flipped.float().mean() < 0.6
    assert torch.allclose(
        x[flipped].flip(3), (ramp(1).permute(0, 3, 1, 2) / 255).expand(int(flipped.sum()), -1, -1, -1), atol=1e-5
    )


def test_resized_crops_have_the_areas_and_aspects_of_the_recipe() -> None:
    prepared = preparation(crop="resized", flip=False)
    height, width = prepared._scales(torch.zeros(4096, 3, 16, 16), draws(0, 0, 0, 4096))
    area = height * width
    assert 0.05 < area.min() < 0.1
    assert 0.9 < area.max() <= 1
    assert area.mean() == pytest.approx(0.54, abs=0.04)
    inside = (height < 1) & (width < 1)
    ratio = (width / height)[inside]
    assert 0.74 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 1.34


def test_crops_stay_within_the_image() -> None:
    images = torch.full((256, 16, 16, 3), 255, dtype=torch.uint8)
    for crop in ("resized", "random"):
        side = 12 if crop == "random" else 16
        x = preparation(side, crop=crop).training(images, draws(0, 0, 0, 256))
        assert x.min() > 0.999


def test_a_random_crop_is_a_window() -> None:
    x = preparation(12, crop="random", flip=False).training(ramp(256), draws(0, 0, 0, 256))
    steps = x[:, 0, :, 1:] - x[:, 0, :, :-1]
    assert torch.allclose(steps, torch.full_like(steps, 10 / 255), atol=1e-4)


def test_colours_change_within_their_range() -> None:
    x = preparation(crop="none", flip=False, color=0.5).training(ramp(64), draws(0, 0, 0, 64))
    assert 0 <= x.min() <= x.max() <= 1
    assert x[:, 2, 0, 0].std() > 0.05


def test_evaluation_uses_the_centre() -> None:
    x = preparation(12).evaluation(ramp())
    assert torch.allclose(x, ramp().permute(0, 3, 1, 2)[:, :, 2:14, 2:14] / 255)


def test_ten_crops_are_centre_and_corners_and_their_mirror_images() -> None:
    x = preparation(12).evaluation(ramp(2), crops=10).contiguous().view(2, 10, 3, 12, 12)
    assert [round(255 * float(v)) for v in x[0, :5, 0, 0, 0]] == [20, 0, 40, 0, 40]
    assert torch.equal(x[:, 5:], x[:, :5].flip(4))
    assert preparation(16).evaluation(ramp(2), crops=10).shape == (20, 3, 16, 16)


@pytest.mark.parametrize(("stored", "channels"), [(1, 3), (3, 1), (3, 3)])
def test_channels_fit_the_network(stored: int, channels: int) -> None:
    images = torch.randint(0, 256, (4, 16, 16, stored), dtype=torch.uint8)
    prepared = preparation(16, channels, stored, crop="resized", color=0.2)
    assert prepared.training(images, draws(0, 0, 0, 4)).shape == (4, channels, 16, 16)
    assert prepared.evaluation(images).shape == (4, channels, 16, 16)


def test_stored_images_are_larger_if_crops_are_random() -> None:
    assert source_side(Augmentation(), 224) == 256
    assert source_side(Augmentation(crop="none"), 32) == 32
    assert source_side(Augmentation(crop="random", source_side=300), 224) == 300


def colours(name: str, factor: float, image: Tensor) -> Tensor:
    """An image, `(H, W, 3)` from 0 to 255, with one property scaled by a factor."""
    columns = {"brightness": 5, "contrast": 6, "saturation": 7}
    drawn = torch.full((1, DRAWS_PER_IMAGE), 0.5)  # a factor of 1
    drawn[0, columns[name]] = (factor - 0.5) / 1.0  # from 0.5 to 1.5
    x = preparation(2, crop="none", flip=False, color=0.5).training(image[None].to(torch.uint8), drawn)
    return 255 * x[0].permute(1, 2, 0)


GREY = torch.tensor([[40.0, 80], [120, 160]])[..., None].expand(-1, -1, 3)
RED = torch.tensor([200.0, 0, 0]).expand(2, 2, -1)


def test_brightness_scales_all_values() -> None:
    torch.testing.assert_close(colours("brightness", 1.5, GREY), 1.5 * GREY, rtol=0, atol=1e-3)
    assert colours("brightness", 1.5, 200 + 0 * GREY).max() == 255  # values stay in their range


def test_contrast_scales_the_distance_from_the_mean() -> None:
    torch.testing.assert_close(colours("contrast", 0.5, GREY), 100 + 0.5 * (GREY - 100), rtol=0, atol=1e-3)
    torch.testing.assert_close(colours("contrast", 0.5, RED), RED - 0.5 * (RED - 0.299 * 200), rtol=0, atol=1e-3)


def test_saturation_scales_the_distance_from_grey() -> None:
    torch.testing.assert_close(colours("saturation", 0.5, GREY), GREY.contiguous(), rtol=0, atol=1e-3)
    torch.testing.assert_close(colours("saturation", 0.5, RED), RED - 0.5 * (RED - 0.299 * 200), rtol=0, atol=1e-3)


def test_images_are_normalised_by_channel() -> None:
    wanted = Augmentation(crop="none", flip=False)
    prepared = Preparation(wanted, (3, 2, 2), (0.1, 0.2, 0.3), (0.5, 0.25, 0.2), CPU)
    images = torch.full((1, 2, 2, 3), 51, dtype=torch.uint8)  # 0.2
    for x in (prepared.evaluation(images), prepared.training(images, draws(0, 0, 0, 1))):
        assert x[0, :, 0, 0].tolist() == pytest.approx([0.2, 0.0, -0.5], abs=1e-6)


def test_colours_are_averaged_for_a_grey_network() -> None:
    images = torch.tensor([30, 60, 90], dtype=torch.uint8).expand(1, 2, 2, 3)
    assert preparation(2, channels=1).evaluation(images).flatten().tolist() == pytest.approx([60 / 255] * 4)


def test_stored_images_are_not_smaller_than_the_input() -> None:
    assert source_side(Augmentation(source_side=100), 224) == 224
    with pytest.raises(ValueError, match="images of 12x12 are smaller than 16x16"):
        preparation(16).evaluation(ramp(side=12))
