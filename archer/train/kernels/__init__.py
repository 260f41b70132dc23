"""Triton kernels of the training loop on a GPU."""
