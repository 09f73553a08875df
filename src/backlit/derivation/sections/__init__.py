"""One file for each section of a derivation; each has a function from a `Context` to blocks."""
