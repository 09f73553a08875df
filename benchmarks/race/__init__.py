"""A race of models for tables, each with its defaults, over the same rows of real tables."""
