"""The integer twin: that it is the integers, near the real network, and refuses what does not fit."""

import numpy as np
import pytest
import torch

from sim.reference import run
from sw.compression.decomposed import decompose_network
from sw.compression.grids import calibrate
from sw.compression.plan import LayerPlan, plan_layers
from sw.compression.quantisation import integer_network, quantised_network
from sw.compression.requantisation import DEFAULT_LIMITS, IntegerLimits
from sw.compression.ternary import ternary_network
from sw.layers import ConvolutionLayer
from sw.model import new_network
from sw.pixels import Pixels
from tests.sw.compression.networks import EVERY_KIND, NORMALISED, PLAIN, dense, images, ternary

LIMITS = {"default": DEFAULT_LIMITS, "narrow": IntegerLimits.of()}


def twin_of(network, limits=DEFAULT_LIMITS):
    return quantised_network(network, calibrate(network, images(pixels=network.pixels)), limits).eval()


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("pixels", [PLAIN, NORMALISED], ids=["plain", "normalised"])
@pytest.mark.parametrize("make", [ternary, dense])
def test_integers_are_the_twin(make, pixels, limits):
    twin = twin_of(make(pixels=pixels), limits)
    network = integer_network(twin, "made")
    batch = images(6, pixels)
    integers = run(network, pixels.integers(batch.to(torch.uint8).numpy()))
    with torch.no_grad():
        tensors = twin.tensors(batch)
    assert list(tensors) == list(integers)
    for name, tensor in tensors.items():
        made = tensor.numpy()
        assert np.array_equal(made, np.round(made)), name
        difference = np.abs(integers[name] - made)
        # Sums on the edge between two outputs fall either way in torch's 24 bits, and what they feed with them.
        assert difference.max() <= 3 and (difference != 0).mean() < 0.02, name


@pytest.mark.parametrize("pixels", [PLAIN, NORMALISED], ids=["plain", "normalised"])
def test_integers_times_scale_are_near_the_real_network(pixels):
    network = dense(pixels=pixels)
    twin = twin_of(network)
    with torch.no_grad():
        exact, near = network.tensors(images(pixels=pixels)), twin.tensors(images(pixels=pixels))
    for name, tensor in exact.items():
        error = near[name] * float(twin.grids[name].scale.detach()) - tensor
        assert float(error.norm()) < 0.06 * float(tensor.norm()), name


def test_joined_tensors_share_a_grid():
    grids = twin_of(ternary()).grids
    assert grids["pool"] is grids["first"]
    assert grids["depth"] is grids["both"] is grids["scale"]
    assert grids["first"] is not grids["down"]


def test_signs_follow_activations():
    grids = twin_of(ternary()).grids
    signed = {name for name, grid in grids.items() if grid.signed}
    assert signed == {"shortcut", "swish", "swish.sum", "average", "last"}


def test_clamps_stay_what_they_mean():
    twin = twin_of(ternary())
    scale = float(twin.grids["depth"].scale.detach())
    low, high = twin.unit("depth").clamp()
    assert low == 0 and (high == 255 or abs(high * scale - 6.0) <= scale / 2)


def test_gradients_reach_everything_that_is_trained():
    twin = twin_of(ternary()).train()
    twin(images()).square().sum().backward()
    still = {
        name
        for name, parameter in twin.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    }
    # A basis that no output channel keeps has a gradient of zero, not none.
    assert not still


def test_training_on_the_grid_lowers_the_loss():
    twin = twin_of(ternary()).train()
    target = torch.randint(0, 5, (16,), generator=torch.Generator().manual_seed(1))
    optimiser = torch.optim.Adam(twin.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(twin(images()), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    integer_network(twin, "trained")


def test_bases_shrink_where_sums_could_overflow():
    pixels = Pixels(channels=512, height=4, width=4, offset=(0.0,) * 512, gain=(1.0,) * 512)
    layers = (ConvolutionLayer(name="wide", input="input", inputs=512, outputs=4, padding=(1, 1, 1, 1)),)
    network = dense(layers, pixels)
    network = decompose_network(network, plan_layers(network))
    twin = twin_of(ternary_network(network, {"wide": LayerPlan(bases=9, kept=9)}))
    weights = twin.unit("wide").weights
    assert weights.integer_bases().detach().abs().max() < 127
    assert weights.reach(0, 255).max() < DEFAULT_LIMITS.accumulator


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3)], ids=["1x1", "3x3"])
def test_gains_of_layers_with_residuals_survive_narrow_multipliers(kernel):
    frame = (kernel[0] // 2,) * 4
    layers = [
        ConvolutionLayer(name="first", input="input", inputs=2, outputs=16, padding=(1, 1, 1, 1)),
        ConvolutionLayer(
            name="add", input="first", inputs=16, outputs=16, kernel=kernel, padding=frame, residual="first"
        ),
    ]
    network = new_network(PLAIN, layers)
    network = ternary_network(network, plan_layers(network, bases=4)).eval()
    added = network.unit("add")
    with torch.no_grad():
        added.normalise.weight.mul_(torch.linspace(0.02, 0.1, 16))
    unit = twin_of(network, IntegerLimits.of()).unit("add")
    real = (
        unit.real_ratio()[:, None, None, None].detach().double()
        / float(unit.weights.scale)
        * added.kernel().detach()
    )

    def error():
        multiplier, _, shift, residual = unit.folded()
        assert residual > 0
        folded = (
            torch.from_numpy(multiplier * 2.0**-shift)[:, None, None, None] * unit.weights.kernel().detach()
        )
        return float((folded - real).square().sum() / real.square().sum())

    balanced = error()
    with torch.no_grad():
        unit.weights.scale.copy_(added.bases.abs().max() / 127)
    assert balanced < 0.03 and balanced < error() / 3


def test_sums_beyond_the_accumulator_are_refused():
    twin = twin_of(ternary())
    twin.unit("down").weights.scale /= 1000
    with torch.no_grad():
        twin.unit("down").weights.unit.bases *= 1000
    twin.unit("down").limits = IntegerLimits(accumulator_bits=14)
    with pytest.raises(ValueError, match="layer down: expected sums below 8192, got "):
        integer_network(twin, "made")


def test_real_coefficients_are_refused():
    network = dense()
    network = decompose_network(network, plan_layers(network))
    with pytest.raises(
        ValueError, match="layer down: expected ternary coefficients or 8-bit weights, got Decomp"
    ):
        twin_of(network)


def test_every_layer_is_there_under_its_name():
    network = integer_network(twin_of(ternary()), "made")
    assert [layer.name for layer in network.layers] == [layer.name for layer in EVERY_KIND]
    assert network.pixels == PLAIN
