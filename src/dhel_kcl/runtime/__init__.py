"""How a job runs: command lines, digests, provenance, memory, signals; nothing that a result depends on.

May import everything but steps, which alone use it. A change here reruns nothing.
"""
