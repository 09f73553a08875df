"""Files: problems, tables, models; each read with errors that name the place, each written beside and renamed."""
