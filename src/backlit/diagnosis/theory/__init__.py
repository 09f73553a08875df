"""Mean-field theory of deep networks at random parameters: lengths, correlations, slopes, and how far width strays."""
