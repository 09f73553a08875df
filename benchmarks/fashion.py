"""A real fit: Fashion-MNIST with scikit-learn's default network, 784-100-10, 10 epochs, and its test accuracy."""

import gzip
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.run import RESULTS

FOLDER = Path("/usr/share/datasets/fashion-mnist")
PEERS = ("backlit", "scikit-learn", "torch eager")


def read(name: str) -> np.ndarray:
    """One IDX file: images as rows of float32 in [0, 1], labels as int64."""
    raw = gzip.decompress((FOLDER / name).read_bytes())
    if "labels" in name:
        return np.frombuffer(raw, np.uint8, offset=8).astype(np.int64)
    return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255


def fit(peer: str, seed: int) -> dict[str, float]:
    """Fit one peer in this process: seconds, accuracy, memory above what was there before the fit."""
    X, labels = read("train-images-idx3-ubyte.gz"), read("train-labels-idx1-ubyte.gz")
    options = {"max_iter": 10, "tol": 0.0, "n_iter_no_change": 100, "random_state": seed}
    if peer == "torch eager":
        run = torch_fit(X, labels, seed)
    else:
        if peer == "backlit":
            from backlit.estimators import MLPClassifier
        else:
            from sklearn.neural_network import MLPClassifier
        model = MLPClassifier(**options)

        def run():
            model.fit(X, labels)
            return model.predict

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    predict = run()
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    right = predict(read("t10k-images-idx3-ubyte.gz")) == read("t10k-labels-idx1-ubyte.gz")
    return {"seconds": seconds, "accuracy": float(np.mean(right)), "memory_MB": memory / 1000}


def torch_fit(X, labels, seed):
    """The same network, batches of 200, L2 1e-4 on the weights, by PyTorch."""
    import torch

    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(784, 100), torch.nn.ReLU(), torch.nn.Linear(100, 10))
    adam = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    X, labels = torch.from_numpy(X), torch.from_numpy(labels)

    def run():
        for _ in range(10):
            for rows in torch.randperm(len(X)).split(200):
                adam.zero_grad()
                torch.nn.functional.cross_entropy(model(X[rows]), labels[rows]).backward()
                adam.step()
        return lambda test: model(torch.from_numpy(test)).argmax(1).numpy()

    return run


def main() -> None:
    """Each peer in a fresh process, three times in turn."""
    import warnings

    if len(sys.argv) > 1:
        warnings.simplefilter("ignore")  # scikit-learn's: ten epochs were asked for
        print(json.dumps(fit(sys.argv[1], int(sys.argv[2]))))
        return
    results = {peer: [] for peer in PEERS}
    for seed in range(3):
        for peer in PEERS:
            command = [sys.executable, "-m", "benchmarks.fashion", peer, str(seed)]
            results[peer].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    ours = np.array([run["seconds"] for run in results["backlit"]])
    lines = [
        "| Fashion-MNIST, 784-100-10, 10 epochs | seconds | times Backlit's | accuracy | MB above import and data |"
    ]
    lines.append("|---|---|---|---|---|")
    for peer, runs in results.items():
        keys = ("seconds", "accuracy", "memory_MB")
        seconds, accuracy, memory = (np.array([run[key] for run in runs]) for key in keys)
        cells = f"{np.median(seconds):.2f} | {np.median(seconds / ours):.2f} | {np.median(accuracy):.4f}"
        lines.append(f"| {peer} | {cells} | {np.median(memory):.0f} |")
    print("\n".join(lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "fashion.md").write_text("\n".join(lines) + "\n")
    (RESULTS / "fashion.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
