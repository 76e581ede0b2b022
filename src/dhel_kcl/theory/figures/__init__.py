"""One module a figure of a theory experiment, named as the experiment: `draw(table)` makes it from its CSV."""
