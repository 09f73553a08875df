"""JAX: one compiled function a step, or a whole epoch in one scan."""

import importlib


class Peer:
    def __init__(self, size, parameters, threads, scan=False):
        jax, jnp = importlib.import_module("jax"), importlib.import_module("jax.numpy")
        self.jax, self.jnp, self.size, self.scan = jax, jnp, size, scan
        start = [(jnp.asarray(W.T), jnp.asarray(b)) for W, b in parameters]
        zeros = jax.tree.map(jnp.zeros_like, start)
        self.state = (start, zeros, jax.tree.map(jnp.zeros_like, start), jnp.zeros((), jnp.int32))

        def scores(parameters, X):
            for W, b in parameters[:-1]:
                X = jax.nn.relu(X @ W + b)
            W, b = parameters[-1]
            return X @ W + b

        def loss(parameters, X, labels):
            z = scores(parameters, X)
            return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, labels[:, None], 1)[:, 0])

        def step(state, X, labels):
            parameters, m, v, t = state
            value, g = jax.value_and_grad(loss)(parameters, X, labels)
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            c1, c2 = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
            new = jax.tree.map(lambda p, m, v: p - 1e-3 * (m * c1) / (jnp.sqrt(v * c2) + 1e-8), parameters, m, v)
            return (new, m, v, t), value

        def whole(state, X, labels, order):
            def one(state, rows):
                return step(state, X[rows], labels[rows])

            return jax.lax.scan(one, state, order)

        self.step = jax.jit(lambda state, X, labels, rows: step(state, X[rows], labels[rows]), donate_argnums=0)
        self.whole = jax.jit(whole, donate_argnums=0)
        self.scores = jax.jit(lambda parameters, X: jax.nn.softmax(scores(parameters, X)))

    def prepare(self, X, labels):
        self.X, self.labels = self.jnp.asarray(X), self.jnp.asarray(labels)

    def epoch(self, order):
        rows = order.reshape(self.size.steps, self.size.batch)
        if self.scan:
            self.state, losses = self.whole(self.state, self.X, self.labels, rows)
            return float(losses.mean())
        losses = []
        for batch in rows:
            self.state, value = self.step(self.state, self.X, self.labels, batch)
            losses.append(value)
        return float(sum(losses)) / len(losses)

    def predict(self, X):
        return self.scores(self.state[0], X).block_until_ready()
