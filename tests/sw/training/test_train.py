"""The loop: that networks learn, what is reported, what the functions given to it see, what is refused."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch

from sw.training import Distillation, TrainingSettings, accuracy, logits, repeatable, train

from .patterns import patterns, small_network, weights

SETTINGS = TrainingSettings(epochs=2, batch=32, rate=0.05)
QUICK = dataclasses.replace(SETTINGS, epochs=1, evaluate_every=0)


@pytest.fixture(scope="module")
def dataset():
    return patterns()


def trained(dataset, settings=SETTINGS, *, seed=0, **options):
    """A new network after training, and the records."""
    with repeatable(seed):
        network = small_network()
        return network, train(network, dataset, settings, **options)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimiser": "adamw", "rate": 0.01, "schedule": "constant"},
        {"schedule": "step", "averaging": 0.9, "clip": 1.0, "smoothing": 0.1},
        {"augmentation": "crop-flip", "precision": "bfloat16"},
        {"augmentation": "affine", "channels_last": False},
    ],
)
def test_patterns_are_learnt(dataset, changes):
    network, records = trained(dataset, dataclasses.replace(SETTINGS, epochs=12, **changes))
    assert records[-1].test_accuracy > 0.9 and records[-1].train_accuracy > 0.8
    assert records[-1].loss < 0.7 * records[0].loss
    with repeatable(0):
        assert accuracy(network, dataset.test_images, dataset.test_labels) >= 0.9


def test_records_say_what_happened(dataset):
    settings = dataclasses.replace(SETTINGS, epochs=4, evaluate_every=3, warm_up=0.25)
    network, records = trained(dataset, settings)
    assert [record.epoch for record in records] == [1, 2, 3, 4]
    # After every third epoch, and after the last.
    assert [record.test_accuracy is None for record in records] == [True, True, False, False]
    assert all(record.seconds > 0 and 0 < record.loss < 3 for record in records)
    assert records[0].rate == pytest.approx(0.05 * 8 / 9)
    assert 0 < records[3].rate < 0.001
    with repeatable(0):
        assert records[3].test_accuracy == accuracy(network, dataset.test_images, dataset.test_labels)


def test_the_same_seed_gives_the_same_weights(dataset):
    first, again = (weights(trained(dataset, QUICK)[0]) for _ in range(2))
    assert first == again
    assert first != weights(trained(dataset, dataclasses.replace(QUICK, seed=1))[0])


def test_arrays_mapped_from_files_are_as_good(dataset, tmp_path):
    arrays = {}
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        np.save(tmp_path / f"{name}.npy", getattr(dataset, name))
        arrays[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    network, records = trained(dataclasses.replace(dataset, **arrays))
    expected, _ = trained(dataset)
    assert weights(network) == weights(expected)
    with repeatable(0):
        right = accuracy(network, arrays["test_images"], arrays["test_labels"])
    assert right == records[-1].test_accuracy


def test_it_ends_in_inference_and_statistics_stay(dataset):
    network, _ = trained(dataset, QUICK)
    assert not any(module.training for module in network.modules())
    before = weights(network)
    logits(network, dataset.test_images)
    assert weights(network) == before


def test_bfloat16_is_another_computation_of_the_same(dataset):
    network, exact = trained(dataset, dataclasses.replace(SETTINGS, epochs=6))
    other, rough = trained(dataset, dataclasses.replace(SETTINGS, epochs=6, precision="bfloat16"))
    assert weights(network) != weights(other)
    assert all(value.dtype in (torch.float32, torch.int64) for value in other.state_dict().values())
    assert abs(exact[-1].loss - rough[-1].loss) < 0.15
    with repeatable(0):
        near, far = (logits(other, dataset.test_images, precision=word) for word in ("float32", "bfloat16"))
    assert near.dtype == far.dtype == torch.float32 and not torch.equal(near, far)
    assert (near - far).abs().max() < 0.1 * near.abs().max()


def test_logits_do_not_depend_on_how_they_are_asked_for(dataset):
    network, _ = trained(dataset, QUICK)
    images = dataset.test_images
    with repeatable(0):
        whole = logits(network, images)
        assert whole.shape == (64, 4)
        assert torch.allclose(logits(network, images, batch=7), whole, atol=1e-5)
        assert torch.equal(logits(network, torch.from_numpy(images).float()), whole)
        right = (whole.argmax(1).numpy() == dataset.test_labels).mean()
        assert accuracy(network, images, torch.from_numpy(dataset.test_labels)) == right


def test_functions_see_every_step_and_epoch(dataset):
    steps, epochs, order = [], [], []

    def on_step(network, fraction):
        steps.append(fraction)
        order.append("step")

    def on_epoch(network, epoch):
        epochs.append(epoch)
        order.append("epoch")
        assert network.training

    trained(dataset, SETTINGS, on_step=on_step, on_epoch=on_epoch)
    assert steps == [step / 16 for step in range(1, 17)] and epochs == [0, 1]
    assert order == (["epoch"] + ["step"] * 8) * 2


def test_progress_is_a_fraction_and_a_text(dataset):
    calls = []
    trained(dataset, SETTINGS, progress=lambda fraction, text: calls.append((fraction, text)))
    fractions = [fraction for fraction, _ in calls]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and 0.5 in fractions
    text = calls[-1][1]
    assert (
        text.startswith("epoch 2/2 loss ") and " train " in text and " test " in text and text.endswith(" %")
    )


def test_a_penalty_is_added(dataset):
    plain, _ = trained(dataset, QUICK)
    heavy, records = trained(
        dataset, QUICK, penalty=lambda network: sum(part.abs().sum() for part in network.parameters())
    )
    assert records[0].loss > 5
    size = lambda network: sum(float(part.detach().abs().sum()) for part in network.parameters())  # noqa: E731
    assert size(heavy) < 0.9 * size(plain)


def test_what_is_frozen_stays(dataset):
    """Alternation: an optimiser with momentum and decay must not move a parameter that has no gradient."""
    seen = []

    def on_epoch(network, epoch):
        first, second = network.unit("first"), network.unit("second")
        seen.append((first.weight.detach().clone(), second.weight.detach().clone()))
        first.weight.requires_grad_(epoch % 2 == 0)
        second.weight.requires_grad_(epoch % 2 == 1)

    network, _ = trained(dataset, dataclasses.replace(SETTINGS, epochs=3), on_epoch=on_epoch)
    moved = [[not torch.equal(*pair) for pair in zip(one, two, strict=True)] for one, two in pairwise(seen)]
    assert moved == [[True, False], [False, True]]
    assert torch.equal(network.unit("second").weight, seen[2][1])


def test_gradients_are_clipped_together(dataset):
    settings = dataclasses.replace(
        QUICK, clip=1e-3, momentum=0.0, weight_decay=0.0, schedule="constant", warm_up=0.0
    )
    places = []

    def on_step(network, fraction):
        places.append(torch.cat([part.detach().flatten().double() for part in network.parameters()]))

    trained(dataset, settings, on_step=on_step)
    lengths = [float((two - one).norm()) for one, two in pairwise(places)]
    assert lengths == pytest.approx([0.05 * 1e-3] * 7, rel=0.02)


def test_groups_have_rates_of_their_own(dataset):
    def groups(network):
        first = network.unit("first").weight
        others = [part for part in network.parameters() if part is not first]
        return [{"params": [first], "rate": 0.0, "weight_decay": 0.0}, {"params": others, "rate": 2.0}]

    with repeatable(0):
        before = small_network().unit("first").weight.detach().clone()
    still, _ = trained(dataset, QUICK, groups=groups)
    assert torch.equal(still.unit("first").weight, before)
    with pytest.raises(
        ValueError, match=r"expected every parameter in a group, got none with .*first\.weight"
    ):
        trained(dataset, QUICK, groups=lambda network: groups(network)[1:])


def test_a_student_comes_near_its_teacher(dataset):
    teacher, _ = trained(dataset, dataclasses.replace(SETTINGS, epochs=8))
    before = weights(teacher)
    wrong = dataclasses.replace(dataset, train_labels=np.zeros_like(dataset.train_labels))
    settings = dataclasses.replace(
        SETTINGS, epochs=12, distillation=Distillation(weight=1.0, temperature=2.0), evaluate_every=0
    )
    teacher.train()
    student, _ = trained(wrong, settings, seed=1, teacher=teacher)
    # All it knows of the classes it knows from the teacher.
    assert accuracy(student, dataset.test_images, dataset.test_labels) > 0.9
    assert weights(teacher) == before and not teacher.training


def test_the_average_is_what_is_measured_and_kept(dataset):
    settings = dataclasses.replace(SETTINGS, averaging=0.99, evaluate_every=1)
    raw, _ = trained(dataset, dataclasses.replace(settings, averaging=None))
    network, records = trained(dataset, settings)
    assert weights(network) != weights(raw)
    with repeatable(0):
        assert records[-1].test_accuracy == accuracy(network, dataset.test_images, dataset.test_labels)


def test_zeros_of_a_mask_survive_the_average(dataset):
    def mask(network, fraction):
        with torch.no_grad():
            # What is zero only later would leave a trace in the average.
            network.unit("second").weight[:, : 4 if fraction > 0.5 else 0] = 0

    network, _ = trained(dataset, dataclasses.replace(SETTINGS, averaging=0.9), on_step=mask)
    assert (network.unit("second").weight[:, :4] == 0).all()
    assert (network.unit("second").weight[:, 4:] != 0).all()


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"batch": 300}, {}, "expected at least 300 images to train on, got 256"),
        ({"distillation": Distillation()}, {}, "expected a teacher and the setting distillation together"),
        ({}, {"teacher": small_network()}, "expected a teacher and .* together, got a teacher alone"),
        ({"device": "cuda:99"}, {}, "expected a device that is there, got 'cuda:99'"),
        ({"device": "toaster"}, {}, "expected a device that is there, got 'toaster'"),
        (
            {"distillation": Distillation()},
            {"teacher": small_network(outputs=7)},
            "expected logits of 4 classes, got 4, and 7 of the teacher",
        ),
    ],
)
def test_refusals(dataset, changes, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        trained(dataset, dataclasses.replace(SETTINGS, **changes), **options)
    assert "\n" not in str(caught.value)


def test_networks_that_do_not_fit_the_data_are_refused(dataset):
    with pytest.raises(ValueError, match="expected logits of 4 classes, got 3"):
        train(small_network(outputs=3), dataset, SETTINGS)
    images = np.zeros((64, 3, 9, 9), np.uint8)
    large = dataclasses.replace(
        dataset, train_images=images, train_labels=dataset.train_labels[:64], test_images=images
    )
    with pytest.raises(
        ValueError, match=r"expected images of shape \(3, 8, 8\) .* got \(3, 9, 9\) in patterns"
    ):
        train(small_network(), large, SETTINGS)


def test_a_loss_that_is_no_number_stops_the_run_before_it_does_harm(dataset):
    network = small_network()

    def spoil(network):
        spoil.calls += 1
        return torch.tensor(float("nan") if spoil.calls == 12 else 0.0)

    spoil.calls = 0
    with pytest.raises(
        ValueError, match="epoch 2, step 4: expected a finite loss, got nan: lower the rate"
    ) as caught:
        train(network, dataset, SETTINGS, penalty=spoil)
    assert "\n" not in str(caught.value)
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_settings_of_torch_come_back():
    state = torch.get_rng_state()
    with repeatable(3):
        assert torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == 1
        torch.rand(3)
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), state)
