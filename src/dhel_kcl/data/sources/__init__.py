"""One data set (or family) a module: from its official files to the prepared form. Named in `data.catalogue`."""
