"""Backlit: feed-forward networks whose backward pass is the textbook's, in plain sight."""
