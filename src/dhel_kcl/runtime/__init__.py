"""How a job runs: command lines, digests, provenance, memory, signals; nothing that a result depends on.

May import everything but steps; of the package, only they and the command line use it. A change here reruns nothing,
but for `digest` and `science`, which say what does.
"""
