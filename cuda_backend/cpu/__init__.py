"""A training step on the CPU without autograd: only where a C compiler is."""
