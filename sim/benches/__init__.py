"""cocotb benches: modules that run inside the simulator, one for each component."""
