"""``python -m bench.protocol``: the tables of the host link in ``docs/host.md``, from its one definition."""

from pathlib import Path

from hw.protocol import REQUESTS, STALLS, Status
from sw.frames import STATUS_WORDS

from .page import page_with

__all__ = ["PAGE", "written"]

PAGE = Path(__file__).parents[1] / "docs" / "host.md"


def written():
    """Text of the page with its tables written anew."""
    requests = [
        [opcode.name, str(opcode.value), request.request or "none", request.answer or "none", request.effect]
        for opcode, request in REQUESTS.items()
    ]
    statuses = [
        [status.name, str(status.value), STATUS_WORDS.get(status, "the request was carried out")]
        for status in Status
    ]
    units = [[unit.name, str(unit.value), STALLS[unit]] for unit in STALLS]
    tables = [
        (
            "Requests",
            ["opcode", "code", "payload", "payload of the answer", "what the device does"],
            requests,
        ),
        ("Answers", ["status", "code", "meaning"], statuses),
        ("Stalls", ["unit", "place", "counted are cycles in which"], units),
    ]
    return page_with(PAGE.read_text(), tables, align="---")


def main():
    """Write the page."""
    PAGE.write_text(written())


if __name__ == "__main__":
    main()
