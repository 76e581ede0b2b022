"""How figures and tables look, whatever they show: theme and colours, file formats, names of claims, words of verdicts.

May import nothing else of the package but `files`. A change of `style` redraws all figures, one of `table_files`
remakes all tables, one of `verdict_words` judges all ledgers anew and reruns the theory.
"""
