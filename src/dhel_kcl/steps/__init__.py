"""One module a step, named as in ``dhel-kcl <step>``: arguments in, files out. What a result depends on stands
elsewhere.

May import everything. A change here reruns nothing.
"""
