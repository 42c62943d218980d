"""The options that say which network and which images, of every command that reads a network before it is integers."""

from pathlib import Path

import click

__all__ = ["load_network", "model_options"]


def model_options(command):
    """The argument ``MODEL`` and ``--data``, ``--weights``, ``--mean``, ``--std``: what ``load_network`` takes."""
    options = (
        click.argument("model"),
        click.option(
            "--data",
            default="cifar10",
            show_default=True,
            help="mnist, cifar10, or a folder or zip of images in folders by class.",
        ),
        click.option(
            "--weights",
            type=click.Path(path_type=Path, dir_okay=False),
            help="State dict for a network by name.",
        ),
        click.option(
            "--mean",
            help="Of the pixels in training, where white is 1, by channel: 0.485,0.456,0.406  [default: the network's].",
        ),
        click.option("--std", help="As --mean: 0.229,0.224,0.225  [default: the network's]."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def load_network(model, data, weights, mean, std):
    """The ``sw.model.Network`` and the ``sw.data.Dataset`` that the options name; prints what was assumed of the network."""
    from sw.data import load_dataset
    from sw.importing import load_model, pixels_of

    numbers = {"mean": _numbers(mean), "std": _numbers(std)}
    dataset = load_dataset(data)
    pixels = pixels_of(*dataset.train_images.shape[1:], **numbers) if mean or std else None
    network = load_model(model, pixels=pixels, weights=weights)
    for note in network.notes:
        click.echo(note)
    return network, dataset


def _numbers(text):
    """Numbers of an option that has one for each channel."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"expected numbers with commas between them, got {text!r}") from None
