"""Backlit's native engine."""

import numpy as np


class Peer:
    def __init__(self, size, parameters, threads, engine="native"):
        from backlit.core import Dense, Network, Parameters
        from backlit.engine import State, TrainConfig, get_engine
        from backlit.optim import Adam

        layers = [Dense(n, "relu") for n in size.n[1:-1]] + [Dense(size.n[-1], "softmax")]
        net = Network(size.n[0], layers, loss="cross_entropy")
        recipe = TrainConfig(net, Adam(learning_rate=1e-3), size.batch, n_threads=threads)
        arrays = {"W": [None, *(W for W, _ in parameters)], "b": [None, *(b for _, b in parameters)]}
        start = Parameters.from_arrays(net, arrays, dtype=np.float32)
        self.engine, self.state = get_engine(engine, recipe), State.start(net, start, recipe.optimizer)
        self.size = size

    def prepare(self, X, labels):
        from backlit.engine import Data

        self.data = Data(X, np.eye(self.size.n[-1], dtype=np.float32)[labels])
        self.rates = np.full(self.size.steps, 1e-3)

    def epoch(self, order):
        return self.engine.run(self.state, self.data, order, self.rates, lambda: False).loss

    def predict(self, X):
        return self.engine.predict(self.state.params, self.state.statistics, X)
