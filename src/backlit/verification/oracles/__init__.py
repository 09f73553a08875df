"""Independent ways to one gradient, and their agreement."""
