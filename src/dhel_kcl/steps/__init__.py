"""One module a step, named as in ``dhel-kcl <step>``: arguments in, files out. What a step computes stands elsewhere.

May import everything. A change here reruns nothing.
"""
