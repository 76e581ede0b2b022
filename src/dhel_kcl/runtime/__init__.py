"""How a job runs: command lines, digests, provenance, files, memory; nothing that a result depends on.

Used by steps alone (`files` by whoever writes). A change here reruns nothing.
"""
