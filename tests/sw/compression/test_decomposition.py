"""Facts of the singular value decomposition that PENNI rests on."""

from itertools import pairwise

import pytest
import torch

from sw.compression.decomposition import bases_for_energy, decompose, expand, kept_bases, rebuild
from sw.compression.ternary import project


def weights(*shape, seed=3):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (3, 1, 3, 3), (6, 5, 2, 3), (2, 2, 5, 5)])
def test_error_falls_to_zero_with_the_number_of_bases(shape):
    weight = weights(*shape)
    errors = [
        float((weight - rebuild(*decompose(weight, bases))).norm())
        for bases in range(1, shape[2] * shape[3] + 1)
    ]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(errors))
    assert errors[0] > 1e-3 and errors[-1] < 1e-9


def test_error_is_the_tail_of_the_singular_values():
    weight = weights(8, 4, 3, 3)
    tail = torch.linalg.svdvals(weight.reshape(32, 9))[4:].norm()
    assert float((weight - rebuild(*decompose(weight, 4))).norm()) == pytest.approx(float(tail), rel=1e-9)


def test_bases_are_orthonormal():
    _, bases = decompose(weights(8, 4, 3, 3), 5)
    flat = bases.reshape(5, 9)
    assert torch.allclose(flat @ flat.T, torch.eye(5, dtype=torch.float64), atol=1e-12)


def test_kernels_of_two_shapes_need_two_bases():
    shapes, mixture = weights(2, 3, 3), weights(6, 4, 2, seed=4)
    weight = rebuild(mixture, shapes)
    assert float((weight - rebuild(*decompose(weight, 2))).norm()) < 1e-9
    assert float((weight - rebuild(*decompose(weight, 1))).norm()) > 1e-3


@pytest.mark.parametrize("bases", [0, 10])
def test_impossible_number_of_bases_is_refused(bases):
    with pytest.raises(ValueError, match=f"expected from 1 to 9 bases for a 3x3 kernel, got {bases}"):
        decompose(weights(2, 2, 3, 3), bases)


def test_kept_bases_are_those_whose_loss_costs_most():
    coefficients = weights(8, 4, 5)
    kept = kept_bases(coefficients, 2)
    assert kept.sum(1).tolist() == [2] * 8
    energy = coefficients.square().sum(1)
    for channel in range(8):
        assert energy[channel][kept[channel]].min() >= energy[channel][~kept[channel]].max()


def test_more_kept_than_there_are_keeps_all():
    assert bool(kept_bases(weights(8, 4, 3), 5).all())


def test_each_plane_of_an_expansion_lowers_the_error():
    weight = weights(10, 16, 1, 1)
    levels, bases = expand(weight, 4, project)
    assert levels.shape == (10, 16, 4) and bases.shape == (4, 1, 1)
    rest = weight[:, :, 0, 0]
    for plane in range(4):
        assert torch.equal(levels[:, :, plane], rest)
        ternary, scale = project(rest)
        assert 0 < float((rest - scale * ternary).norm()) < 0.9 * float(rest.norm())
        rest = rest - scale * ternary


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_bases_for_energy_are_the_fewest(share):
    weight = weights(8, 4, 3, 3)

    def lost(bases):
        return float((weight - rebuild(*decompose(weight, bases))).square().sum() / weight.square().sum())

    count = bases_for_energy(weight, share)
    assert lost(count) <= 1 - share + 1e-9
    assert count == 1 or lost(count - 1) > 1 - share


def test_share_of_energy_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"expected a share of energy above 0 and at most 1, got 1\.5"):
        bases_for_energy(weights(2, 2, 3, 3), 1.5)
