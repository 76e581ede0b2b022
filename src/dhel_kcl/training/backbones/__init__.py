"""Encoders, one architecture a module, named in `dhel_kcl.registry.BACKBONES`; a change retrains what uses it."""
