"""Kernels of the squared distance r^2 between points of the unit sphere, named in `dhel_kcl.registry.KERNELS`."""
