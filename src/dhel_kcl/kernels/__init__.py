"""Kernels of the squared distance r^2 between points of the unit sphere, named in `dhel_kcl.registry.KERNELS`.

May import geometry. A change of one kernel reruns the theory and the trainings by the loss with that kernel.
"""
