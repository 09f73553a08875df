"""Independent ways to find out whether a gradient is right."""
