"""Command line, demonstration, Verilog and bitstreams."""

__version__ = "0.1.0"
