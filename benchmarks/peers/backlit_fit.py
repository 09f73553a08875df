"""Backlit through `MLPClassifier.fit`: with all checks, orders of its own, and the history."""

import warnings

import numpy as np


class Peer:
    def __init__(self, size, parameters, threads):
        from backlit import MLPClassifier

        self.parameters = parameters
        self.model = MLPClassifier(
            size.n[1:-1], loss="cross_entropy", alpha=0.0, batch_size=size.batch, max_iter=1, shuffle=False,
            n_iter_no_change=np.inf, warm_start=True, n_threads=threads,
        )  # fmt: skip
        warnings.simplefilter("ignore")  # it has not converged

    def prepare(self, X, labels):
        self.X, self.labels = X, labels
        self.model.fit(X, labels)
        self.model.coefs_ = [W.T for W, _ in self.parameters]
        self.model.intercepts_ = [b for _, b in self.parameters]

    def epoch(self, order):
        self.model.set_params(max_iter=1, shuffle=False).fit(self.X[order], self.labels[order])
        return self.model.loss_

    def epochs(self, n):
        self.model.set_params(max_iter=n, shuffle=True).fit(self.X, self.labels)

    def predict(self, X):
        return self.model.predict_proba(X)
