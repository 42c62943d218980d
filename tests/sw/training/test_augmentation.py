"""Augmentation: against plain loops, and what it must leave as it is."""

import numpy as np
import pytest
import torch

from sw.training import TrainingSettings
from sw.training.augmentation import affine, augment, crop_flip
from sw.training.batches import Batches

from .patterns import patterns


def pictures(count, shape=(3, 9, 7), seed=3):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 9, 7)])
def test_crops_and_mirrors_are_those_of_a_loop(shape):
    images = pictures(200, shape)
    changed = crop_flip(images, seeded(5))
    random = seeded(5)
    places = torch.randint(9, (2, 200), generator=random).numpy()
    mirrored = (torch.rand(200, generator=random) < 0.5).numpy()
    for index, image in enumerate(images.numpy()):
        top, left = places[:, index]
        padded = np.pad(image, ((0, 0), (4, 4), (4, 4)))
        expected = padded[:, top : top + shape[1], left : left + shape[2]]
        expected = expected[:, :, ::-1] if mirrored[index] else expected
        assert np.array_equal(changed[index], expected), index
    assert 60 < mirrored.sum() < 140 and set(places.ravel()) == set(range(9))


def test_statistics_stay_as_they_are():
    """Padding darkens the border and nothing else."""
    images = pictures(2000, (3, 32, 32))
    changed = crop_flip(images, seeded(1)).float()
    assert abs(changed[:, :, 4:28, 4:28].mean() - images.float().mean()) < 0.3
    assert abs(changed[:, :, 4:28, 4:28].std() - images.float().std()) < 0.3
    # On each axis offsets of 0 to 8 are equally likely: on average 20/9 of 32 rows are black.
    share = (1 - 20 / 9 / 32) ** 2
    assert abs(changed.mean() - share * images.float().mean()) < 0.5


def test_affine_moves_a_little_and_keeps_what_is_drawn():
    images = torch.zeros(500, 1, 28, 28, dtype=torch.uint8)
    images[:, :, 10:18, 10:18] = 200
    changed = affine(images, seeded(2))
    assert changed.dtype == torch.uint8 and changed.max() <= 200
    mass = changed.float().sum((1, 2, 3)) / images[0].float().sum()
    assert mass.min() > 0.75 and mass.max() < 1.3 and abs(mass.mean() - 1) < 0.03
    place = torch.arange(28.0)
    middle = (changed.float().sum((1, 2)) * place).sum(1) / changed.float().sum((1, 2, 3))
    assert (middle - 13.5).abs().max() < 3 and abs(middle.mean() - 13.5) < 0.2 and middle.std() > 0.5
    blank = torch.full((4, 3, 9, 7), 255, dtype=torch.uint8)
    assert affine(blank, seeded(2), degrees=0, zoom=0, shear=0, shift=0).equal(blank)


def test_without_augmentation_images_stay():
    images = pictures(5)
    assert augment(None, images, seeded(0)) is images


@pytest.mark.parametrize("kind", [None, "crop-flip", "affine"])
def test_every_image_comes_once_an_epoch_with_its_label(kind):
    dataset = patterns(train=100)
    # An image that says its label: neither moving nor mirroring changes its brightest value.
    dataset.train_images[:] = dataset.train_labels[:, None, None, None] * 60 + 20
    batches = Batches(dataset, TrainingSettings(batch=16, augmentation=kind), torch.device("cpu"))
    assert batches.steps == 6
    order = batches.order(3)
    assert sorted(order) == list(range(100)) and not np.array_equal(order, batches.order(4))
    for step in range(6):
        images, labels = batches.batch(3, step, order)
        assert images.dtype == torch.float32 and images.shape == (16, 3, 8, 8)
        assert torch.equal(images.amax((1, 2, 3)).round(), labels * 60.0 + 20)
        again, _ = batches.batch(3, step, order)
        assert torch.equal(images, again)
        # The same images in another epoch, and in another step.
        alike = np.tile(order[16 * step : 16 * step + 16], 6)
        for other in (batches.batch(4, step, order), batches.batch(3, (step + 1) % 6, alike)):
            assert torch.equal(other[1], labels) and torch.equal(other[0], images) == (kind is None)


def test_processes_share_a_batch():
    dataset = patterns(train=64)
    settings = TrainingSettings(batch=8)
    parts = [
        Batches(dataset, settings, torch.device("cpu"), process=index, processes=2).batch(0, 1, np.arange(64))
        for index in range(2)
    ]
    assert parts[0][1].tolist() == dataset.train_labels[8:16:2].tolist()
    assert parts[1][1].tolist() == dataset.train_labels[9:16:2].tolist()
    with pytest.raises(ValueError, match="expected a batch that 3 processes can share equally, got 8"):
        Batches(dataset, settings, torch.device("cpu"), processes=3)


def test_layout_of_batches():
    dataset = patterns(train=64)
    for last in (False, True):
        batches = Batches(dataset, TrainingSettings(batch=8, channels_last=last), torch.device("cpu"))
        images, _ = batches.batch(0, 0, batches.order(0))
        assert images.is_contiguous(memory_format=torch.channels_last) == last
