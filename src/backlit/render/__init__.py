"""Renderers: they format what a result holds, and never compute."""
