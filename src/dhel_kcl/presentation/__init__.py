"""How figures and tables look, whatever they show: theme and colours, file formats, the names of the claims.

May import nothing else of the package but `files`. A change here redraws all figures or remakes all tables.
"""
