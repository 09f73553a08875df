"""Write what the explorer's page takes from Python: formulas as MathML with slots, words, names and defaults.

    python scripts/explorer_tables.py [--check]

The page has no formula of its own.  Specimen problems, whose numbers are markers, go through `explain`'s own steps; in
what these print each marker becomes a slot, ⟦l⟧, that the page fills.  `key` says which specimen a step of the page's
looks like; two specimens of one key must give one template, or this stops.
"""

import argparse
import itertools
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from explorer_specimens import ALPHA, EPS, LIMIT, SCALE, SKIPPED, UNITS, key, specimens, steps_of

from backlit.core import ACTIVATIONS, LOSSES, get_activation, get_loss
from backlit.core.formulas import Unsupported
from backlit.derivation import expressions as tree
from backlit.derivation.context import Context
from backlit.derivation.expressions import Add, At, Expr, Fn, Frac, Mul, Neg, Num, Partial, Pow, Root, Sym, constant
from backlit.derivation.functions import TREE, loss_slope_of, slope_of, value_of
from backlit.derivation.numbers import NotNumeric
from backlit.derivation.update import Symbols, rules
from backlit.equations import EQUATIONS
from backlit.optim import OPTIMIZERS, get_optimizer
from backlit.render.mathml import mathml
from backlit.render.notation import function

OUT = Path(__file__).parent.parent / "web/src/tables.json"
MARKERS = {SCALE: "c", ALPHA: "alpha", EPS: "eps", LIMIT: "limit"}


# --- templates --------------------------------------------------------------------------------------------------------


def slotted(node: Any, layers: dict[str, str], phi: str | None) -> Any:
    """The tree with slots in place of layers, markers and the activation's name."""
    match node:
        case Num() if abs(node.value) in MARKERS:
            made: Expr = Sym(f"⟦{MARKERS[abs(node.value)]}⟧")
            return Neg(made) if node.value < 0 else made
        case Sym():
            return replace(node, layer=f"⟦{layers[node.layer]}⟧" if node.layer in layers else node.layer)
        case Fn() if phi != "exp" and node.name.removesuffix("'") == phi:
            args = tuple(slotted(arg, layers, phi) for arg in node.args)
            return Fn("⟦phi⟧" + ("'" if node.name.endswith("'") else ""), args)
        case tree.Nary():
            return type(node)(*(slotted(item, layers, phi) for item in node.items))
    if is_dataclass(node) and isinstance(node, Expr):
        return replace(node, **{f.name: slotted(getattr(node, f.name), layers, phi) for f in fields(node)})
    return tuple(slotted(item, layers, phi) for item in node) if isinstance(node, tuple) else node


def markup(expr: Expr) -> str:
    """MathML, in which a slot of a number stands bare."""
    made = mathml(expr).removeprefix("<math>").removesuffix("</math>")
    made = re.sub(r"<mtext>(⟦\w+⟧)</mtext>", r"<mn>\1</mn>", made)
    return re.sub(r"<mi>(⟦(?!phi|i⟧|j⟧|t⟧)\w+⟧)</mi>", r"\1", made)


def worded(text: str, s: Context, l: int, phi: str) -> str:
    """A sentence with slots."""
    names = {str(l): "l", str(l - 1): "k", str(SKIPPED): "s"}
    text = re.sub(r"\b[Ll]ayer (\d)\b", lambda found: f"{found[0][:-1]}⟦{names.get(found[1], found[1])}⟧", text)
    text = re.sub(rf"\b{UNITS} (number|unit)s\b", r"⟦count:\1⟧", text)
    text = (
        text.replace(s.net.loss.name.replace("_", " "), "⟦loss⟧")
        .replace("0.25", "⟦p⟧")
        .replace("seed 7, step 0", "seed ⟦seed⟧, step ⟦step⟧")
    )
    text = text.replace(constant(EPS).text, "⟦eps⟧")
    return (
        re.sub(rf"(?<![\w-]){re.escape(phi)}(?![\w-])", "⟦phi⟧", text) if phi != "identity" or "with" in text else text
    )


def steps_table() -> dict[str, list[str]]:
    """Of each key: the equation, the title, the sentence, the formula."""
    found: dict[str, list[str]] = {}
    for problem in specimens():
        for s, step in steps_of(problem):
            name, _, rest = step.id.partition("[")
            l = int(rest[:-1]) if rest else s.net.L
            if name == "grad_a" and step.equation == "BP5":
                l += 1
            layers = {str(l): "l", str(l - 1): "k"}
            if step.equation == "SK1":
                layers[str(SKIPPED)] = "s"
            phi = s.layer(l).activation.name
            formula = step.formula
            if step.equation == "BP5" and isinstance(formula, Add):
                formula = formula.items[0]  # what skips add has a template of its own
            shown = "" if name in ("ell", "clip") else markup(slotted(formula, layers, phi))
            equation = "⟦optimizer⟧" if name.startswith("update_") and step.equation else step.equation
            row = [equation, worded(step.title, s, l, phi), worded(step.sentence, s, l, phi), shown]
            if step.equation == "BP1":
                row[3] = ""  # the loss's own table has it
            if found.setdefault(key(s, step), row) != row:
                raise SystemExit(f"two looks of {key(s, step)!r} ({step.id}):\n{found[key(s, step)]}\n{row}")
    return dict(sorted(found.items()))


def both_signs(of: Any) -> list[str]:
    """A formula of u in numbers, for u above 0 and below: the slot is |u|."""
    made = []
    for value in (0.1875, -0.1875):
        num = Num(value, f"{value}", True)
        made.append(markup(slotted(of(num), {}, None)).replace("0.1875", "⟦u⟧"))
    return made


def activations_table() -> dict[str, Any]:
    """Of each activation: its symbol, parameters, φ and φ' in symbols and in numbers."""
    table = {}
    for name in ACTIVATIONS.shipped:
        record = ACTIVATIONS[name]
        phi = get_activation({"name": name, "alpha": ALPHA}) if record.parameters else record
        row: dict[str, Any] = {"symbol": function(name)[0].text, "parameters": dict(record.parameters)}
        if phi.formula is not None:
            row["value"] = both_signs(lambda u, phi=phi: value_of(phi, u))
            row["slope"] = both_signs(lambda u, phi=phi: slope_of(phi, u))
            row["formulas"] = [markup(slotted(f(phi, Sym("u")), {}, None)) for f in (value_of, slope_of)]
        table[name] = row
    return table


def losses_table() -> dict[str, Any]:
    """Of each loss: its parameters, and ∂ℓ/∂a in symbols and for slots a and y."""
    table = {}
    for name in LOSSES.shipped:
        record = LOSSES[name]
        loss = get_loss({"name": name, **dict.fromkeys(record.parameters, ALPHA)}) if record.parameters else record
        a, y, n = Sym("⟦a⟧"), Sym("⟦y⟧"), Sym("⟦n⟧")

        def of_slots(a: Expr, y: Expr, loss: Any = loss, n: Expr = n) -> str:
            made = markup(slotted(loss_slope_of(loss, a, y, n), {}, None))  # type: ignore[arg-type]  # a symbol for n
            return made.replace("⟦alpha⟧", "⟦parameter⟧")

        table[name] = {
            "parameters": dict(record.parameters),
            "term": of_one_output(loss, a, y, n),
            "total": "" if loss.total is None else markup(loss.total(Sym("⟦s⟧"), n, TREE)),
            "formula": of_slots(Sym("a", "⟦l⟧"), Sym("y")),
            "slope": of_slots(a, y),
        }
    return table


def of_one_output(loss: Any, a: Expr, y: Expr, n: Expr) -> str:
    """What one output adds to ℓ; "" where that depends on the numbers."""
    try:
        made = markup(slotted(loss.formula(a, y, TREE), {}, None))
    except (Unsupported, NotNumeric):
        return ""
    return made.replace("⟦alpha⟧", "⟦parameter⟧")


def optimizers_table() -> dict[str, Any]:
    """Of each optimizer: its options, and its rule line by line for each choice that changes it."""
    table = {}
    for name in OPTIMIZERS.shipped:
        options = {key: value for key, value in OPTIMIZERS[name]().to_dict().items() if key != "name"}
        variants = {}
        for momentum, nesterov, amsgrad in itertools.product([0.0, 0.5], [False, True], [False, True]):
            chosen = {"momentum": momentum, "nesterov": nesterov, "amsgrad": amsgrad}
            one = get_optimizer({"name": name, **{key: value for key, value in chosen.items() if key in options}})
            label = " ".join(key for key in chosen if key in options and chosen[key])
            variants[label] = [[rule.equation, rule.name, markup(rule.made)] for rule in rules(one, Symbols(one))]
        table[name] = {"options": options, "rules": variants}
    return table


def heads() -> dict[str, str]:
    """The left-hand side of an entry's line, by the kind of the quantity."""
    made: dict[str, Expr] = {}
    for many, example in (("", ""), (" of i", "⟦i⟧")):
        for name in ("z", "mu", "sigma2", "x_hat", "u", "h", "r", "a", "delta"):
            made[name + many] = At(Sym(name, "⟦l⟧", example), ("⟦j⟧",))
        for name in ("a", "h", "u", "x_hat"):
            for loss in ("S", "ell"):
                own = Sym(loss, "", example if loss == "ell" else "")
                made[f"grad_{name} {loss}{many}"] = Partial(own, At(Sym(name, "⟦l⟧", example), ("⟦j⟧",)))
        made["slope" + many] = Fn("⟦phi⟧'", (At(Sym("⟦t⟧", "⟦l⟧", example), ("⟦j⟧",)),))
        made["ell" + many] = Sym("ell", "", example)
    for name in ("b", "gamma", "beta"):
        made[f"grad_{name}"] = Partial(Sym("C"), At(Sym(name, "⟦l⟧"), ("⟦j⟧",)))
        made[f"update_{name}"] = At(Sym(name, "⟦l⟧"), ("⟦j⟧",))
    made["grad_W"] = Partial(Sym("C"), At(Sym("W", "⟦l⟧"), ("⟦j⟧", "⟦k⟧")))
    made["update_W"] = At(Sym("W", "⟦l⟧"), ("⟦j⟧", "⟦k⟧"))
    made["loss"] = Sym("C")
    made |= lefts()
    return {name: markup(expr).replace("<mi>⟦t⟧</mi>", "<mi>⟦under⟧</mi>") for name, expr in made.items()}


def lefts() -> dict[str, Expr]:
    """What a step makes, whole: the left-hand side of its formula."""
    made: dict[str, Expr] = {f"left {name}": Sym(name, "⟦l⟧") for name in WHOLE}
    for name in ("a", "h", "u", "x_hat"):
        for loss in ("S", "ell"):
            made[f"left grad_{name} {loss}"] = Partial(Sym(loss), Sym(name, "⟦l⟧"))
    for name in ("W", "b", "gamma", "beta"):
        made[f"left grad_{name}"] = Partial(Sym("C"), Sym(name, "⟦l⟧"))
        made[f"left update_{name}"] = Sym(name, "⟦l⟧")
    return made | {"left ell": Sym("ell"), "left loss": Sym("C"), "left clip": Sym("g")}


WHOLE = ("z", "mu", "sigma2", "x_hat", "u", "h", "r", "a", "delta")


def signs() -> dict[str, str]:
    """What numbers are joined by."""
    a, b = Sym("⟦0⟧"), Sym("⟦1⟧")
    made = {
        "plus": Add(a, b),
        "minus": Add(a, Neg(b)),
        "times": Mul(a, b),
        "over": Frac(a, b),
        "root": Root(a),
        "square": Pow(a, constant(2)),
        "parentheses": Mul(Add(a, b), b),
        "equals": tree.Chain((a, b), ("=",)),
        "about": tree.Chain((a, b), ("≈",)),
        "gets": tree.Chain((a, b), ("←",)),
        "exp": Fn("exp", (a,)),
        "ln": Fn("ln", (a,)),
        "skip plain": Partial(Sym("ell"), Sym("a", "⟦t⟧")),
        "skip scaled": tree.MatMul(Sym("⟦c⟧"), Partial(Sym("ell"), Sym("a", "⟦t⟧"))),
        "skip plain S": Partial(Sym("S"), Sym("a", "⟦t⟧")),
        "skip scaled S": tree.MatMul(Sym("⟦c⟧"), Partial(Sym("S"), Sym("a", "⟦t⟧"))),
        "number": Num(0.1875, "0.1875", True),
        "negative": Num(-0.1875, "-0.1875", True),
        "power of ten": Num(0.1875e-7, "0.1875e7", True),
        "power of a tenth": Num(0.1875e-7, "0.1875e-7", True),
    }
    written = {name: markup(expr).replace("0.1875", "⟦0⟧") for name, expr in made.items()}
    for name in ("power of ten", "power of a tenth"):
        written[name] = written[name].replace("<mn>7</mn>", "<mn>⟦1⟧</mn>")
    fence = written["parentheses"].split("⟦0⟧")[0]
    closing = re.search(r'<mo form="postfix"[^>]*>\)</mo>', written["parentheses"])
    assert closing is not None
    written["parentheses"] = f"{fence}⟦0⟧{closing[0]}"
    return written


def cited() -> dict[str, str]:
    """The equations that each source is of, their numbers in one text."""
    found: dict[str, list[str]] = {}
    for id, one in EQUATIONS.items():
        if not id.startswith("SCH"):
            found.setdefault(one.source, []).append(id)
    return {source: " ".join(ids) for source, ids in found.items()}


def tables() -> dict[str, Any]:
    """All of it."""
    return {
        "sources": cited(),
        "clipping": [EQUATIONS["OPT-CLIP1"].sentence, EQUATIONS["OPT-CLIP2"].sentence],
        "steps": steps_table(),
        "heads": heads(),
        "signs": signs(),
        "activations": activations_table(),
        "losses": losses_table(),
        "optimizers": optimizers_table(),
    }


# Markup that comes again and again, as one letter that no formula has; the page writes it out again.
SHORT = {
    "~": '<mo form="infix">',
    "!": '<mo form="prefix">',
    "$": "</mo>",
    "#": "<mi>",
    "%": "</mi>",
    "@": "<mn>",
    "`": "</mn>",
    "?": "<mrow>",
    "Q": "</mrow>",
    "*": "<msub>",
    "_": "</msub>",
    "Y": '<mo form="infix" lspace="0" rspace="0">&#x2061;</mo>',
    "Z": "<mfrac>",
    "V": "</mfrac>",
    "{": '<mo form="prefix" stretchy="false">',
    "}": '<mo form="postfix" stretchy="false">',
    "X": "<msup>",
    "U": "</msup>",
    "R": '<mspace width="0.17em"></mspace>',
}


def shortened(markup: str) -> str:
    """Markup with SHORT's letters."""
    if wrong := set(markup.replace("&#x2061;", "")) & set(SHORT):
        raise SystemExit(f"{markup} has {wrong}, by which the tables shorten markup")
    for letter, long in sorted(SHORT.items(), key=lambda pair: -len(pair[1])):
        markup = markup.replace(long, letter)
    return markup


def packed(value: Any) -> Any:
    """The tables with all markup shortened."""
    if isinstance(value, dict):
        return {key: packed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [packed(item) for item in value]
    return shortened(value) if isinstance(value, str) and "<m" in value else value


def text() -> str:
    """The file."""
    made = tables()
    strings: dict[str, int] = {}
    rows = {key: [strings.setdefault(one, len(strings)) for one in row] for key, row in made["steps"].items()}
    whole = {**packed({**made, "steps": {}}), "steps": rows, "strings": packed(list(strings)), "short": SHORT}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or with --check say whether it is stale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    made = text()
    if not parser.parse_args(arguments).check:
        OUT.write_text(made, encoding="utf-8")
    elif not OUT.exists() or OUT.read_text(encoding="utf-8") != made:
        print(f"{OUT.name} is not what Python says: run make web and commit what changed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
