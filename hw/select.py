"""Units that take turns: who reads and who writes activation memory."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .activations import activation_write_layout
from .formats import dense_layout, read_layout
from .sequencer import Owner

__all__ = ["ReadSelect", "WriteSelect"]


class ReadSelect(wiring.Component):
    """Gives the read port to its owner; nobody else may have a read under way.

    Members
    -------
    owner : in
    requests : array of streams of ``read_layout``, in, one for each ``Owner``
    responses : array of streams of ``dense_layout``, out
    request : stream of ``read_layout``, out
    response : stream of ``dense_layout``, in
    """

    def __init__(self, config):
        request = stream.Signature(read_layout)
        response = stream.Signature(dense_layout(config))
        super().__init__(
            {
                "owner": In(Owner),
                "requests": In(request).array(len(Owner)),
                "responses": Out(response).array(len(Owner)),
                "request": Out(request),
                "response": In(response),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for owner in Owner:
            request, response = self.requests[owner.value], self.responses[owner.value]
            m.d.comb += response.payload.eq(self.response.payload)
            with m.If(self.owner == owner):
                m.d.comb += [
                    self.request.payload.eq(request.payload),
                    self.request.valid.eq(request.valid),
                    request.ready.eq(self.request.ready),
                    response.valid.eq(self.response.valid),
                    self.response.ready.eq(response.ready),
                ]
        return m


class WriteSelect(wiring.Component):
    """Joins writers of which all but the first are always ready; of those at most one writes in any cycle.

    The first, the host, waits while another writes.

    Members
    -------
    writers : array of streams of ``activation_write_layout``, in
    o : stream of ``activation_write_layout``, out
        Must always be ready.
    """

    def __init__(self, config, writers):
        write = stream.Signature(activation_write_layout(config))
        super().__init__({"writers": In(write).array(writers), "o": Out(write)})

    def elaborate(self, platform):
        m = Module()
        host, *units = self.writers
        m.d.comb += host.ready.eq(~Cat(writer.valid for writer in units).any())
        for writer in units:
            m.d.comb += writer.ready.eq(1)
        for writer in self.writers:
            with m.If(writer.valid):
                m.d.comb += [self.o.payload.eq(writer.payload), self.o.valid.eq(1)]
        return m
