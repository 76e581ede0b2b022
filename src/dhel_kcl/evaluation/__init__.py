"""What a frozen encoder is worth: embeddings of the split's images, and one evaluator a module, all of one interface.

May import training and what that may. A change here reruns every evaluation or transfer
that uses it, and no training.
"""
