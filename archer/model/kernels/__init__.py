"""Triton kernels of the training step on a GPU, each beside the function that launches it.

Legend: P members, N tokens of a member, D dim, S signals of a token, R rows of a tile. Activations
are [P, N, ...]; a parameter is a view [P, ...] of a flat buffer whose rows are M numbers apart. The
residual stream is fp32; what enters a matrix product has the compute type (bf16, or fp32 in tests).
Nothing is added atomically: sums over tokens are partial sums of programs, then one `sum`.
"""
