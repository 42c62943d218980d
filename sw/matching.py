"""Whether a device is the one that a program was compiled for, and whether the program fits."""

from hw.config import PRESETS
from hw.link_words import LoadFormat
from hw.protocol import PROTOCOL_VERSION

from .frames import LinkError
from .records import records

__all__ = ["check_device", "check_fit"]


def check_device(status, config):
    """Raise ``LinkError`` unless the device speaks this protocol and has this configuration."""
    if status.version != PROTOCOL_VERSION:
        raise LinkError(
            f"expected a device of protocol version {PROTOCOL_VERSION}, got version {status.version}: "
            "build its bitstream anew"
        )
    if status.digest != config.digest:
        raise LinkError(
            f"expected a device of configuration {config.name} ({config.digest:08x}), got "
            f"{_configuration_name(status.digest)}: compile the network for what the device is, or program the device anew"
        )


def _configuration_name(digest):
    """Name and digest of the configuration that a device reports, as far as it is a preset."""
    names = [name for name, config in PRESETS.items() if config.digest == digest]
    return f"{names[0] if names else 'none of the presets'} ({digest:08x})"


def check_fit(program):
    """Raise ``ValueError`` unless everything that a program loads has a place in the memories of its configuration."""
    load = LoadFormat(program.config)
    for section in program.sections:
        words = section.address + sum(count for count, _ in records(section, program.config))
        name = f"{section.target.name.lower()} memory {section.index}"
        if section.index >= load.indices[section.target]:
            raise ValueError(
                f"expected {load.indices[section.target]} memories of {section.target.name.lower()}, got data for "
                f"{name}: compile the network for a larger preset"
            )
        if words > load.depths[section.target]:
            raise ValueError(
                f"expected at most {load.depths[section.target]} words in {name}, got {words}: "
                "compile the network for a larger preset"
            )
    if len(program.layers) > program.config.layers:
        raise ValueError(
            f"expected at most {program.config.layers} steps, got {len(program.layers)}: "
            "compile the network for a larger preset"
        )
