"""Data sets: what is known of each, how it is obtained and checked, its prepared form, its split.

Imports nothing else of the package but `runtime.files`. A change of a source prepares its data set again, and, where
that gives other bytes, all that follows.
"""
