"""One peer a file: `Peer(size, theta)` with `epoch(X, labels, order)` and `predict(X)`."""
