"""What a network costs, counted before it runs: operations and bytes, equation by equation."""
