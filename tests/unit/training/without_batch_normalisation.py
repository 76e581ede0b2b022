"""`python -m dhel_kcl pretrain` without batch normalisation, which on a CPU sees each process's share."""

from torch import nn

from dhel_kcl.steps import pretrain
from dhel_kcl.training import objective


def without(build):
    def built(*arguments):
        module = build(*arguments)
        for parent in list(module.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                    setattr(parent, name, nn.Identity())
        return module

    return built


BUILDERS = ("build_encoder", "build_projector")

if __name__ == "__main__":
    for name in BUILDERS:
        setattr(objective, name, without(getattr(objective, name)))
    pretrain.cli.run(pretrain.main)
