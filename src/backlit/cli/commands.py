"""Register every command with the app; a command's own imports wait until it runs."""
