"""What the results say: `python -m benchmarks.race.summary` writes summary.md and one plot a set of tables."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.race.models import MODELS, TREES
from benchmarks.race.run import RESULTS, kept
from benchmarks.race.tables import SETS

HERE = Path(__file__).parent
LABELS = {
    "linear": "linear model",
    "sklearn_mlp": "scikit-learn MLP",
    "hgb": "HistGradientBoosting",
    "lightgbm": "LightGBM",
    "xgboost": "XGBoost",
    "catboost": "CatBoost",
    "realmlp": "RealMLP-TD",
    "tabm": "TabM",
    "autogluon": "AutoGluon, best quality",
    "backlit_one": "Backlit, one network",
    "backlit": "Backlit",
}
QUALITIES = {"backlit_fast": "`fast`", "backlit": "`good`", "backlit_best": "`best`"}


def results() -> pd.DataFrame:
    """All results that there are, failed fits too, one row each."""
    return pd.DataFrame([r for name in MODELS for r in kept(name)])


def met(rows: pd.DataFrame, own: str = "backlit") -> pd.DataFrame:
    """The results on splits that a model ran, so that all models' means are over the same rows."""
    ran = rows.loc[(rows["model"] == own) & rows["loss"].notna(), ["table", "seed"]]
    return rows.merge(ran.drop_duplicates(), on=["table", "seed"])


def losses(rows: pd.DataFrame, value: str = "loss") -> pd.DataFrame:
    """Mean over the seeds that there are, (tables, models); NaN where a model did not run."""
    return rows.pivot_table(index="table", columns="model", values=value, aggfunc="mean", sort=False)


def normalized(loss: pd.DataFrame) -> pd.DataFrame:
    """0 for the constant prediction, 1 for the best model of the table; what is worse than constant is below 0."""
    best = loss.min(axis=1)
    return loss.rsub(loss["constant"], axis=0).div(loss["constant"] - best, axis=0).drop(columns="constant")


def ranks(loss: pd.DataFrame) -> pd.DataFrame:
    """1 for the best of a table; ties share the mean."""
    return loss.drop(columns="constant", errors="ignore").rank(axis=1)


def compare(rows: pd.DataFrame, model: str, rival: str | tuple[str, ...]) -> dict[str, Any]:
    """On how many tables a model is better than a rival, or than the best of several, and where it loses most.

    Both are taken on the seeds that both have, so that a rival of one seed meets the same rows.
    """
    one = rows.pivot_table(index=["table", "seed"], columns="model", values="loss", sort=False)
    rivals = list(rival) if isinstance(rival, tuple) else [rival]
    mean = one[[model, *rivals]].dropna().groupby("table", sort=False).mean()
    ratio = mean[model] / mean[rivals].min(axis=1)
    return {"wins": int((ratio < 1).sum()), "tables": len(ratio), "worst": (ratio.idxmax(), float(ratio.max()))}


def table(rows: pd.DataFrame) -> str:
    """Markdown: the loss of each model on each table, the best in bold."""
    loss = losses(rows)
    names = [name for name in LABELS if name in loss]
    lines = ["| table | " + " | ".join(LABELS[n] for n in names) + " |", "|---" + "|---:" * len(names) + "|"]
    for t, row in loss[names].iterrows():
        cells = ["–" if np.isnan(v) else f"**{v:.3f}**" if v == row.min() else f"{v:.3f}" for v in row]
        lines.append(f"| {t} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ranking(rows: pd.DataFrame) -> str:
    """Markdown: a row a model, best normalized score first.

    A model that ran on some tables only is ranked among those that ran there, so its rank is set beside its tables.
    """
    loss = losses(rows)
    scores, by_loss = normalized(loss), ranks(loss)
    by_error, by_auc = ranks(losses(rows, "error")), ranks(-losses(rows, "auc"))
    calibration, cpu = losses(rows, "ece").mean(), rows.groupby("model")["cpu_seconds"]
    lines = [
        "| model | tables | mean normalized score | mean rank | by error | by AUC | calibration error "
        "| processor seconds a fit: median, most |",
        "|---" + "|---:" * 7 + "|",
    ]
    for name in scores.mean().sort_values(ascending=False).index:
        figures = [f"{f[name].mean():.2f}" if name in f else "–" for f in (by_loss, by_error, by_auc)]
        lines.append(
            f"| {LABELS[name]} | {scores[name].notna().sum()} | {scores[name].mean():.3f} | "
            + " | ".join(figures)
            + f" | {calibration[name]:.3f} | {cpu.median()[name]:.3g}, {cpu.max()[name]:.3g} |"
        )
    return "\n".join(lines)


def wins(rows: pd.DataFrame, own: str = "backlit") -> list[str]:
    """Sentences on Backlit against each peer, and against the best of the trees."""
    loss = losses(rows)
    if own not in loss:
        return []
    trees = tuple(name for name in TREES if name in loss)
    peers: list[tuple[str, Any]] = [(LABELS[name], name) for name in LABELS if name in loss and name != own]
    lines = []
    for label, rival in [*peers, ("the best of the four tree libraries", trees)]:
        found = compare(rows, own, rival)
        where, ratio = found["worst"]
        extra = f"at worst {ratio - 1:+.0%}, on {where}"
        lines.append(f"- better than {label} on {found['wins']} of {found['tables']} tables; {extra}")
    return lines


def coverage(rows: pd.DataFrame, own: str = "backlit") -> list[str]:
    """A sentence on the share of test rows within 90 % intervals, where it was kept."""
    if "covered" not in rows:
        return []
    share = rows[rows["model"] == own].groupby("table", sort=False)["covered"].mean().dropna()
    if share.empty:
        return []
    return [
        f"- its 90 % intervals hold {share.mean():.1%} of the test rows, mean over {len(share)} tables of numbers; "
        f"{share.min():.1%} on {share.idxmin()}, {share.max():.1%} on {share.idxmax()}"
    ]


def qualities(rows: pd.DataFrame) -> str:
    """Markdown: what each quality is worth beside `good` and CatBoost, on the splits that it ran."""
    lines = [
        "| quality | splits | log of its loss over `good`'s, mean | mean normalized score, and LightGBM's, "
        "scikit-learn MLP's | processor seconds: sum, most | and CatBoost's |",
        "|---" + "|---:" * 5 + "|",
    ]
    for own, label in QUALITIES.items():
        seen = met(rows, own)
        if seen.empty:
            continue
        one = seen.pivot_table(index=["table", "seed"], columns="model", values="loss", sort=False)
        cpu = seen.pivot_table(index=["table", "seed"], columns="model", values="cpu_seconds", sort=False)
        scores = normalized(one).mean()
        lines.append(
            f"| {label} | {len(one)} | {np.log(one[own] / one['backlit']).mean():+.3f} "
            f"| {scores[own]:.3f}, {scores['lightgbm']:.3f}, {scores['sklearn_mlp']:.3f} "
            f"| {cpu[own].sum():.0f}, {cpu[own].max():.1f} | {cpu['catboost'].sum():.0f}, {cpu['catboost'].max():.1f} |"
        )
    return "\n".join(lines)


def plot(rows: pd.DataFrame, path: Path) -> None:
    """Normalized scores: a row a model, a point a table, the mean as a bar."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    scores = normalized(losses(rows))
    names = scores.mean().sort_values().index
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "race", "font.size": 9}):
        figure = Figure(figsize=(7, 0.42 * len(names) + 1), layout="constrained")
        axes = figure.add_subplot()
        for k, name in enumerate(names):
            own = name.startswith("backlit")
            axes.barh(k, scores[name].mean(), color="#c9d8f0" if own else "#e4e4e4", height=0.7)
            values = scores[name].dropna()
            axes.scatter(values.clip(lower=0), [k] * len(values), s=12, color="#1f4e9c" if own else "#666", alpha=0.7)
        axes.set_yticks(range(len(names)), [LABELS[n] for n in names])
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("normalized score: 0 the constant prediction, 1 the best of the race; a point a table")
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    everything = results()
    parts = []
    for title, tables in SETS.items():
        ran = everything[everything["table"].isin(tables)]
        rows = met(ran[~ran["model"].isin(QUALITIES) | (ran["model"] == "backlit")])
        if rows.empty:
            continue
        plot(rows, HERE / f"{title}.svg")
        failed = rows[rows["failed"].notna()] if "failed" in rows else rows[:0]
        lost = [f"- {LABELS[r.model]} on {r.table}, seed {r.seed}: {r.failed}" for r in failed.itertuples()]
        parts.append(f"## {title.replace('_', ' ').capitalize()} tables\n\n![]({title}.svg)\n")
        parts += [ranking(rows), "", *wins(rows), *coverage(rows), "", table(rows), "", *lost]
        parts += ["", qualities(ran), ""] if ran["model"].isin(QUALITIES.keys() - {"backlit"}).any() else []
    (HERE / "summary.md").write_text("# Where it stands\n\n" + "\n".join(parts).rstrip() + "\n")
    print(f"{len(everything)} results in {RESULTS.name}: summary.md")


if __name__ == "__main__":
    main()
