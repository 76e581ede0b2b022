"""`python -m dhel_kcl.training.trainer` without batch normalisation, which on a CPU sees each process's share."""

from torch import nn

from dhel_kcl.runtime import cli
from dhel_kcl.training import trainer as pretrain


def without(build):
    def built(*arguments):
        module = build(*arguments)
        for parent in list(module.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                    setattr(parent, name, nn.Identity())
        return module

    return built


if __name__ == "__main__":
    pretrain.build_encoder, pretrain.build_projector = map(without, (pretrain.build_encoder, pretrain.build_projector))
    cli.run(pretrain.main)
