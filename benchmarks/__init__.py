"""Backlit beside its peers."""
