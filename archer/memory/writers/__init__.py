"""The lines of the generated kernels, a file for each kernel; see `triton_codegen`."""
