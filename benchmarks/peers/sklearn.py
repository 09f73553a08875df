"""scikit-learn's MLPClassifier, one pass a partial_fit."""

import numpy as np


class Peer:
    def __init__(self, size, parameters, threads):
        from sklearn.neural_network import MLPClassifier

        self.size, self.parameters = size, parameters
        self.model = MLPClassifier(size.n[1:-1], random_state=0, alpha=0.0, batch_size=size.batch, shuffle=False)

    def prepare(self, X, labels):
        self.X, self.labels = X, labels
        classes = np.arange(self.size.n[-1])
        if len(classes) == 2:  # scikit-learn has one output for two classes: give it a third that never comes
            classes = np.arange(3)
        self.model.partial_fit(X[: self.size.batch], labels[: self.size.batch], classes=classes)
        for (W, b), own_W, own_b in zip(self.parameters, self.model.coefs_, self.model.intercepts_, strict=True):
            own_W[:, : W.shape[0]], own_b[: len(b)] = W.T, b
            own_W[:, W.shape[0] :], own_b[len(b) :] = 0, -1e4
        del self.model._optimizer
        from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

        self.model._optimizer = AdamOptimizer(self.model.coefs_ + self.model.intercepts_, 1e-3)

    def epoch(self, order):
        self.model.partial_fit(self.X[order], self.labels[order])
        return float(self.model.loss_)

    def predict(self, X):
        return self.model.predict_proba(X)
