from bench.protocol import PAGE, written
from hw.protocol import Opcode, Status


def test_the_page_has_the_protocol_as_it_is():
    text = PAGE.read_text()
    assert text == written(), "the host link has changed: python -m bench.protocol"
    for code in (*Opcode, *Status):
        assert f"| {code.name} | {code.value} |" in text
