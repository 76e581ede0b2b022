"""Pretraining: networks, objective, schedule, optimiser, checkpoints, and the trainer that puts them together.

May import views, data, losses, kernels, geometry. A change here reruns every training, and all that follows from it.
"""
