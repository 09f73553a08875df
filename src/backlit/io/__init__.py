"""Files in and out: tables, and what other programs wrote or will read."""
