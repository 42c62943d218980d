from bench.protocol import PAGE, written
from hw.frame_receiver import frame_head_layout
from hw.protocol import MAXIMUM_PAYLOAD, Opcode, Status


def test_the_page_has_the_protocol_as_it_is():
    text = PAGE.read_text()
    assert text == written(), "the host link has changed: python -m bench.protocol"
    for code in (*Opcode, *Status):
        assert f"| {code.name} | {code.value} |" in text


def test_the_longest_payload_is_the_longest_length():
    assert MAXIMUM_PAYLOAD == (1 << frame_head_layout["length"].width) - 1 == 65535
