"""Grading: each submission runs in a process of its own, and its numbers are checked like any claim."""
