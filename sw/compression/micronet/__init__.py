"""What won the MicroNet Challenge (NeurIPS 2019), and the rules that it was scored by."""
