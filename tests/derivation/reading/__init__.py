"""A reader of printed formulas that knows nothing of the renderers: text and LaTeX in, numbers out.

It is strict: what it cannot read is an error, so that a line which no person could read fails a test.
"""
