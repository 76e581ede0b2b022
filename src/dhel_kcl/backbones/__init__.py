"""Backbones, named in `dhel_kcl.registry.BACKBONES`."""
