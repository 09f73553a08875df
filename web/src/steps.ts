// The steps of a problem, in explain's order, each with its formula, its words, and any entry worked in numbers.

import { softmaxGroups } from "./core/activations";
import type { Mat } from "./core/matrix";
import { type Layer, type Name } from "./core/network";
import { exampleLosses, exampleWeights, shares, type Gradients, type Trace } from "./core/passes";
import type { Problem } from "./core/problem";
import { optimizerOf, type Passes, type Step as Update } from "./core/training";
import { exp, factor, fill, gets, ln, long, minus, num, over, parentheses, plus, product, root, setting, settingText, signs, square, sum, term, worked, type Slots, type Term } from "./mathml"; // prettier-ignore
import tables from "./tables.json";

export type Way = "forward" | "backward" | "update";

export interface Place {
  i: number; // the example
  j: number; // the unit, or the row of a weight matrix
  k: number; // the unit below, a weight's column
}

/** One entry in numbers: MathML of the line, the result, and what common mistakes give in its place. */
export interface Entry {
  line: string;
  value: number;
  mistakes: [name: string, value: number][];
}

export interface Step {
  id: string;
  /** The formula written out in its argument, where it is a function by name. */
  meaning?: string;
  kind: string;
  l: number;
  way: Way;
  equation: string;
  title: string;
  sentence: string;
  /** What the step makes, and how: left = formula. */
  left: string;
  formula: string;
  shapes: [symbol: string, size: string][];
  /** What the entries are of: examples × units, units × units below, or a single number. */
  entries: "example" | "unit" | "weight" | "one";
  values: Mat | Float64Array | number;
  entry(at: Place): Entry;
}

const TABLE = tables.steps as Record<string, number[]>;
const HEADS = tables.heads as Record<string, string>;

/** All that steps draw on. */
export interface Scene {
  problem: Problem;
  trace: Trace;
  grad: Gradients;
  update: Update;
  /** The loss on the same examples after the update, worked out when it is asked for. */
  readonly after: number;
  losses: Float64Array;
  weights: ReturnType<typeof exampleWeights>;
}

export function scene(problem: Problem, passes: Passes, update: Update, after: () => number): Scene {
  const { net, y, weight } = problem;
  let known: number | null = null;
  return {
    problem,
    ...passes,
    update,
    get after() {
      return (known ??= after());
    },
    losses: exampleLosses(net, passes.trace, y),
    weights: exampleWeights(net, y.m, weight),
  };
}

export function steps(s: Scene): Step[] {
  const { net } = s.problem;
  const made: Step[] = [];
  for (let l = 1; l <= net.L; l++) made.push(...forwardLayer(s, l));
  made.push(exampleLoss(s), cost(s), outputSlope(s));
  for (let l = net.L; l >= 1; l--) made.push(...backwardLayer(s, l));
  if (s.problem.clipNorm !== null || s.problem.clipValue !== null) made.push(clipping(s));
  for (const { name, l } of s.update.after.slots) made.push(updated(s, name, l));
  made.push(outcome(s));
  return made;
}

// --- what steps share -------------------------------------------------------------------------------------------------

const symbolOf = (layer: Layer): string => {
  const known = tables.activations as Record<string, { symbol: string }>;
  return known[layer.activation.name]?.symbol ?? layer.activation.name.replaceAll("_", " ");
};
const under = (layer: Layer): "u" | "z" => (layer.norm ? "u" : "z");
const letter = (s: Scene): "S" | "ell" => (s.problem.net.coupled ? "S" : "ell");
const out = (s: Scene, l: number): "h" | "a" =>
  s.trace.mask[l] || s.problem.net.layer(l).skipFrom !== null ? "h" : "a";
const kindOf = (layer: Layer): string => {
  const { name, parameters } = layer.activation;
  if (name === "exp") return "exp"; // e^u has a look of its own
  if (softmaxGroups(name)) return "groups";
  const kind = name === "identity" ? "identity" : name === "softmax" ? "softmax" : "phi";
  return kind + Object.keys(parameters).length;
};
const settingFactor = (c: number): string => (c < 0 ? parentheses(setting(c)) : setting(c));
const plural = (n: number, word: string): string => (n === 1 ? `one ${word}` : `${n} ${word}s`);
const grain = (share: Float64Array): string =>
  share.every((w) => w === 1) ? "one" : share.every((w) => Math.abs(w * share.length - 1) < 1e-12) ? "mean" : "uneven";

/** How a step's key, slots and words become a step. */
function made(
  s: Scene,
  key: string,
  own: Omit<Step, "equation" | "title" | "sentence" | "left" | "formula" | "shapes"> & { shapes?: Step["shapes"] },
  slots: Slots = {},
): Step {
  const row = TABLE[key]?.map((at) => tables.strings[at]!);
  if (!row) throw new Error(`no formula is known for ${key}`);
  const { net, seed } = s.problem;
  const layer = net.layer(own.l || net.L);
  const words: Slots = {
    l: String(own.l || net.L),
    k: String((own.l || net.L) - 1),
    s: String(layer.skipFrom),
    phi: layer.activation.name,
    loss: net.loss.name.replaceAll("_", " "),
    p: String(layer.dropout),
    seed: String(seed),
    step: String(s.update.t - 1),
    eps: settingText(layer.eps),
    "count:number": plural(net.n[(own.l || net.L) - 1]!, "number"),
    "count:unit": plural(layer.units, "unit"),
    optimizer: "",
    ...slots,
  };
  const alpha = Object.values(layer.activation.parameters)[0];
  const symbols: Slots = { ...words, phi: symbolOf(layer), alpha: alpha === undefined ? "" : setting(alpha), c: settingFactor(layer.skipScale) };
  return {
    shapes: [],
    ...own,
    equation: fill(row[0]!, words),
    title: fill(row[1]!, words),
    sentence: fill(row[2]!, words),
    left: left(s, own.id),
    formula: own.kind === "slope of loss" ? lossSlope(s, symbols) : fill(long(row[3]!), { ...symbols, ...slots }),
  };
}

/** The left-hand side of a step's formula, by its id; "" where the formula says what it is of. */
function left(s: Scene, id: string): string {
  const [, name, l] = /^(\w+?)(?:\[(\d+)\])?$/.exec(id)!;
  const suffix = /^grad_(a|h|u|x_hat)$/.test(name!) ? ` ${letter(s)}` : "";
  const template = HEADS[`left ${name}${suffix}`];
  return template ? fill(long(template), { l: l ?? "" }) : "";
}

function head(name: string, s: Scene, l: number, at: Place, perExample: boolean): string {
  const many = perExample && s.problem.X.m > 1 && !/ S$/.test(name);
  const key = many && HEADS[`${name} of i`] ? `${name} of i` : name;
  const layer = s.problem.net.layer(l || 1);
  return fill(long(HEADS[key]!), { l: String(l), i: String(at.i + 1), j: String(at.j + 1), k: String(at.k + 1), phi: symbolOf(layer), under: `<mi>${under(layer)}</mi>` }); // prettier-ignore
}

const column = (n: number): string => `${n}×1`;
const shape = (symbol: string, layer: string, size: string): [string, string] => [
  layer === "" ? `<mi>${symbol}</mi>` : `<msub><mi>${symbol}</mi><mn>${layer}</mn></msub>`,
  size,
];

/** Σ share_i x_i, worked: over m where all shares are 1/m. */
function shared(s: Scene, terms: Term[]): string {
  const { share } = s.weights;
  const same = grain(share);
  const { m } = s.problem.X;
  if (same === "uneven")
    return sum(terms.map((t, i) => ({ negative: t.negative, body: product(num(share[i]!), t.body) })));
  if (same === "one" || m === 1) return sum(terms);
  return over(sum(terms), num(m));
}

const each = <T>(n: number, f: (k: number) => T): T[] => Array.from({ length: n }, (_, k) => f(k));

// --- forward ----------------------------------------------------------------------------------------------------------

function forwardLayer(s: Scene, l: number): Step[] {
  const { net, params } = s.problem;
  const layer = net.layer(l);
  const below = net.n[l - 1]!;
  const [z, u, h, a] = [s.trace.z[l]!, s.trace.u[l]!, s.trace.h[l]!, s.trace.a[l]!];
  const x = s.trace.a[l - 1]!;
  const [W, b] = [params.W[l]!, params.b[l]!];
  const list = [
    made(s, "z", {
      id: `z[${l}]`, kind: "z", l, way: "forward", entries: "example", values: z,
      shapes: [shape("z", `${l}`, column(layer.units)), shape("W", `${l}`, `${layer.units}×${below}`), shape("a", `${l - 1}`, column(below)), shape("b", `${l}`, column(layer.units))],
      entry: (at) => {
        const terms = each(below, (k) => term(W.at(at.j, k), x.at(at.i, k)));
        const value = z.at(at.i, at.j);
        const abs = each(below, (k) => W.at(at.j, k) * x.at(at.i, k)).reduce((p, q) => p + q, 0);
        return {
          line: worked(head("z", s, l, at, true), sum([...terms, term(b[at.j]!)]), value),
          value,
          mistakes: [["forward_bias_missing", abs], ["wrong_sign", -value]],
        };
      },
    }),
  ]; // prettier-ignore
  if (layer.norm) list.push(...normalization(s, l));
  const name = out(s, l);
  list.push(activated(s, l, name, u, h));
  const mask = s.trace.mask[l];
  if (mask) {
    const after = layer.skipFrom === null ? "a" : "r";
    list.push(
      made(s, `dropout ${after}`, {
        id: `${after}[${l}]`, kind: "dropout", l, way: "forward", entries: "example", values: h.zip(mask, (p, q) => p * q),
        entry: (at) => {
          const value = h.at(at.i, at.j) * mask.at(at.i, at.j);
          return {
            line: worked(head(after, s, l, at, true), product(num(h.at(at.i, at.j)), num(mask.at(at.i, at.j))), value),
            value,
            mistakes: [["convention_dropout_unscaled", mask.at(at.i, at.j) ? h.at(at.i, at.j) : 0]],
          };
        },
      }),
    ); // prettier-ignore
  }
  if (layer.skipFrom !== null) {
    const from = s.trace.a[layer.skipFrom]!;
    const before = mask ? h.zip(mask, (p, q) => p * q) : h;
    const c = layer.skipScale;
    list.push(
      made(s, `skip ${mask ? "r" : "h"} ${c === 1 ? "plain" : "scaled"}`, {
        id: `a[${l}]`, kind: "skip", l, way: "forward", entries: "example", values: a,
        entry: (at) => {
          const [own, lower] = [before.at(at.i, at.j), from.at(at.i, at.j)];
          return {
            line: worked(head("a", s, l, at, true), sum([term(own), c === 1 ? term(lower) : term(c, lower)]), a.at(at.i, at.j)),
            value: a.at(at.i, at.j),
            mistakes: [["forward_skip_missing", own]],
          };
        },
      }),
    ); // prettier-ignore
  }
  return list;
}

function normalization(s: Scene, l: number): Step[] {
  const { net, params } = s.problem;
  const layer = net.layer(l);
  const kind = layer.norm!;
  const norm = s.trace.norm[l]!;
  const z = s.trace.z[l]!;
  const batch = kind === "batch";
  const groups = batch ? z.n : z.m;
  const count = batch ? z.m : z.n;
  const cell = (M: Mat, g: number, t: number) => (batch ? M.at(t, g) : M.at(g, t));
  const group = (at: Place) => (batch ? at.j : at.i);
  const moment = (M: Mat) => Float64Array.from({ length: groups }, (_, g) => cell(M, g, 0));
  const eps = setting(layer.eps);
  const moments = (["mu", "sigma2"] as const).map((name) => {
    const values = moment(name === "mu" ? norm.mean : norm.variance);
    return made(s, `${name} ${kind}`, {
      id: `${name}[${l}]`, kind: name, l, way: "forward", entries: "unit", values,
      entry: (at) => {
        const g = Math.min(at.j, groups - 1);
        const mean = cell(norm.mean, g, 0);
        const terms = each(count, (t): Term => name === "mu"
          ? term(cell(z, g, t))
          : { negative: false, body: square(parentheses(sum([term(cell(z, g, t)), term(-mean)]))) });
        return {
          line: worked(head(name, s, l, { ...at, j: g }, false), over(sum(terms), num(count)), values[g]!),
          value: values[g]!,
          mistakes: name === "sigma2" && count > 1 ? [["convention_unbiased_variance", (values[g]! * count) / (count - 1)]] : [],
        };
      },
    }); // prettier-ignore
  });
  const under = (at: Place) => root(plus(num(cell(norm.variance, group(at), 0)), eps));
  return [
    ...moments,
    made(s, `x_hat ${kind}`, {
      id: `x_hat[${l}]`, kind: "x_hat", l, way: "forward", entries: "example", values: norm.xHat,
      entry: (at) => {
        const top = sum([term(z.at(at.i, at.j)), term(-cell(norm.mean, group(at), 0))]);
        const value = norm.xHat.at(at.i, at.j);
        return { line: worked(head("x_hat", s, l, at, true), over(top, under(at)), value), value, mistakes: [] };
      },
    }),
    made(s, `u ${kind}`, {
      id: `u[${l}]`, kind: "u", l, way: "forward", entries: "example", values: s.trace.u[l]!,
      entry: (at) => {
        const value = s.trace.u[l]!.at(at.i, at.j);
        const [gamma, beta] = [params.gamma[l]![at.j]!, params.beta[l]![at.j]!];
        const made = sum([term(gamma, norm.xHat.at(at.i, at.j)), term(beta)]);
        return { line: worked(head("u", s, l, at, true), made, value), value, mistakes: [] };
      },
    }),
  ]; // prettier-ignore
}

type Written = { value?: string[]; slope?: string[]; formulas?: string[] };

/** φ or φ′ in symbols, of u; "" where it has no formula. */
function symbolic(layer: Layer, what: "value" | "slope"): string {
  const known = (tables.activations as Record<string, Written>)[layer.activation.name]?.formulas?.[what === "value" ? 0 : 1];
  const alpha = Object.values(layer.activation.parameters)[0];
  if (!known || layer.activation.name === "identity") return "";
  return fill(long(known).replaceAll("<mi>u</mi>", `<mi>${under(layer)}</mi>`), { alpha: alpha === undefined ? "" : setting(alpha) });
}

/** φ or φ′ of a number, written out; null where it is a name alone. */
function written(layer: Layer, what: "value" | "slope", u: number): string | null {
  const known = (tables.activations as Record<string, Written>)[layer.activation.name]?.[what];
  if (!known || layer.activation.name === "identity") return null;
  const alpha = Object.values(layer.activation.parameters)[0];
  const size = num(Math.abs(u));
  // the slot stands in an <mn>, which a power of ten is not
  const template = long(known[u < 0 ? 1 : 0]!).replaceAll("<mn>⟦u⟧</mn>", "⟦u⟧");
  return fill(template, { u: size, alpha: alpha === undefined ? "" : setting(alpha) });
}

function activated(s: Scene, l: number, name: "h" | "a", u: Mat, h: Mat): Step {
  const layer = s.problem.net.layer(l);
  return made(s, `${name} ${under(layer)} ${kindOf(layer)}`, {
    id: `${name}[${l}]`, kind: "activation", l, way: "forward", entries: "example", values: h, meaning: symbolic(layer, "value"),
    shapes: [shape(name, `${l}`, column(layer.units)), shape(under(layer), `${l}`, column(layer.units))],
    entry: (at) => {
      const value = h.at(at.i, at.j);
      const mates = softmaxMates(layer, at.j);
      const middle = mates
        ? over(exp(num(u.at(at.i, at.j))), sum(mates.map((k) => ({ negative: false, body: exp(num(u.at(at.i, k))) }))))
        : written(layer, "value", u.at(at.i, at.j));
      return { line: worked(head(name, s, l, at, true), middle, value), value, mistakes: [] };
    },
  }); // prettier-ignore
}

/** The units that share unit j's softmax; null for another activation. */
function softmaxMates(layer: Layer, j: number): number[] | null {
  const { name } = layer.activation;
  const sizes = name === "softmax" ? [layer.units] : softmaxGroups(name);
  let start = 0;
  for (const size of sizes ?? []) {
    if (j < start + size) return each(size, (k) => start + k);
    start += size;
  }
  return null;
}

/** The loss's own templates. */
function lossRow(s: Scene): { term: string; total: string; slope: string; formula: string } {
  const { term, total, slope, formula } = tables.losses[s.problem.net.loss.name as "huber"];
  return { term: long(term), total: long(total), slope: long(slope), formula: long(formula) };
}

const lossParameter = (s: Scene): string => {
  const parameter = Object.values(s.problem.net.loss.parameters)[0];
  return parameter === undefined ? "" : setting(parameter);
};

const lossSlope = (s: Scene, slots: Slots): string =>
  fill(lossRow(s).formula, { ...slots, n: num(s.problem.y.n), parameter: lossParameter(s) });

function exampleLoss(s: Scene): Step {
  const { net, y } = s.problem;
  const scores = net.shortForm && /cross_entropy/.test(net.loss.name);
  const a = s.trace.a[net.L]!;
  const row = lossRow(s);
  const general: Slots = { a: `<msub><mi>a</mi><mn>${net.L}</mn></msub>`, y: "<mi>y</mi>", n: num(y.n), parameter: lossParameter(s) };
  const step = made(s, `ell ${scores ? "scores" : "plain"}`, {
    id: "ell", kind: "ell", l: 0, way: "forward", entries: "example", values: s.losses,
    entry: (at) => {
      const value = s.losses[at.i]!;
      const terms = each(y.n, (k): Term => ({ negative: false, body: fill(row.term, { a: factor(a.at(at.i, k)), y: factor(y.at(at.i, k)), n: num(y.n), parameter: lossParameter(s) }) }));
      const summed = terms.length > 1 ? parentheses(sum(terms)) : sum(terms);
      const middle = scores ? fromScores(s, at.i) : !row.term ? null : row.total ? fill(row.total, { s: summed, n: num(y.n) }) : sum(terms);
      return { line: worked(head("ell", s, 0, at, true), middle, value), value, mistakes: net.loss.name === "half_squared_error" ? [["convention_half", 2 * value]] : [] };
    },
  }); // prettier-ignore
  const symbols = row.term ? (row.total ? fill(row.total, { s: parentheses(fill(row.term, general)), n: general.n! }) : fill(row.term, general)) : `<mi>${net.loss.name}</mi>`; // prettier-ignore
  return { ...step, formula: symbols };
}

/** ℓ from the scores: Σ of logarithms less what the targets take. */
function fromScores(s: Scene, i: number): string {
  const { net, y } = s.problem;
  const u = s.trace.u[net.L]!;
  const layer = net.layer(net.L);
  const taken = each(y.n, (k) => k).filter((k) => y.at(i, k) !== 0).map((k) => y.at(i, k) === 1 ? term(u.at(i, k)) : term(y.at(i, k), u.at(i, k))); // prettier-ignore
  const logs: Term[] = [];
  if (net.loss.name === "binary_cross_entropy")
    logs.push(...each(y.n, (k): Term => ({ negative: false, body: ln(plus(num(1), exp(num(u.at(i, k))))) })));
  else
    for (let k = 0; k < y.n; ) {
      const mates = softmaxMates(layer, k)!;
      logs.push({ negative: false, body: ln(sum(mates.map((t) => ({ negative: false, body: exp(num(u.at(i, t))) })))) });
      k += mates.length;
    }
  const turned = taken.map((t) => ({ ...t, negative: !t.negative }));
  return sum([...logs, ...turned]);
}

function cost(s: Scene): Step {
  const { net, X, weight, params } = s.problem;
  const share = shares(net, X.m, weight);
  const regular = net.l2 ? "l2" : "plain";
  return made(s, weight ? `loss uneven ${regular}` : `loss ${net.reduction} ${regular}`, {
    id: "loss", kind: "loss", l: 0, way: "forward", entries: "one", values: s.grad.loss,
    entry: (at) => {
      const terms = each(X.m, (i) => (weight ? term(share[i]!, s.losses[i]!) : term(s.losses[i]!)));
      const mean = !weight && net.reduction === "mean" && X.m > 1;
      let middle: string | null = mean ? over(sum(terms), num(X.m)) : sum(terms);
      if (net.l2) {
        const squares = params.W.slice(1).reduce((t, W) => t + W.d.reduce((p, w) => p + w * w, 0), 0);
        middle = plus(middle, product(over(num(net.l2), num(2)), num(squares)));
      } else if (X.m === 1 && !weight) middle = null;
      const total = s.losses.reduce((p, q) => p + q, 0);
      return {
        line: worked(head("loss", s, 0, at, false), middle, s.grad.loss),
        value: s.grad.loss,
        mistakes: X.m > 1 ? [net.reduction === "mean" ? ["convention_sum", total] : ["convention_mean", total / X.m]] : [],
      };
    },
  }); // prettier-ignore
}

// --- backward ---------------------------------------------------------------------------------------------------------

function outputSlope(s: Scene): Step {
  const { net, y } = s.problem;
  const a = s.trace.a[net.L]!;
  const values = s.grad.a[net.L]!;
  // what skips add to it later is not of the loss; nothing skips from the output
  return made(s, "slope of loss", {
    id: `grad_a[${net.L}]`, kind: "slope of loss", l: net.L, way: "backward", entries: "example", values,
    shapes: [[fill(signs[letter(s) === "S" ? "skip plain S" : "skip plain"], { t: String(net.L) }), column(y.n)]],
    entry: (at) => {
      const value = values.at(at.i, at.j);
      const weight = s.weights.factor?.[at.i];
      let middle = fill(lossRow(s).slope, { a: factorless(a.at(at.i, at.j)), y: factor(y.at(at.i, at.j)), n: num(y.n), parameter: lossParameter(s) });
      if (weight !== undefined) middle = product(num(weight), parentheses(middle));
      const squared = net.loss.name === "half_squared_error";
      return { line: worked(head(`grad_a ${letter(s)}`, s, net.L, at, true), middle, value), value, mistakes: [["wrong_sign", -value], ...(squared ? [["constant_factor_two", 2 * value] as [string, number]] : []), ["target_forgotten", net.loss.slope(y.n)(a.at(at.i, at.j), 0)]] };
    },
  }); // prettier-ignore
}

const factorless = num;

/** ∂ℓ/∂u: δ itself where there is no norm. */
const deltaName = (layer: Layer): "grad_u" | "delta" => (layer.norm ? "grad_u" : "delta");
const deltaHead = (s: Scene, l: number, at: Place): string =>
  head(s.problem.net.layer(l).norm ? `grad_u ${letter(s)}` : "delta", s, l, at, true);

function backwardLayer(s: Scene, l: number): Step[] {
  const { net } = s.problem;
  const layer = net.layer(l);
  const mask = s.trace.mask[l];
  const list: Step[] = [];
  if (mask)
    list.push(
      made(s, `grad_h ${letter(s)}`, {
        id: `grad_h[${l}]`, kind: "grad_h", l, way: "backward", entries: "example", values: s.grad.h[l]!,
        entry: (at) => {
          const g = s.grad.a[l]!.at(at.i, at.j);
          const value = s.grad.h[l]!.at(at.i, at.j);
          return { line: worked(head(`grad_h ${letter(s)}`, s, l, at, true), product(num(g), num(mask.at(at.i, at.j))), value), value, mistakes: [["dropout_mask_missing", g], ["dropout_scale_wrong", mask.at(at.i, at.j) ? g : 0]] };
        },
      }),
    ); // prettier-ignore
  if (l === net.L && net.shortForm) list.push(shortForm(s));
  else if (layer.activation.pullBack) list.push(throughSoftmax(s, l));
  else list.push(...throughActivation(s, l));
  if (layer.norm) list.push(...throughNorm(s, l));
  list.push(biasGradient(s, l), weightGradient(s, l), down(s, l));
  return list;
}

function shortForm(s: Scene): Step {
  const { net, y } = s.problem;
  const layer = net.layer(net.L);
  const p = s.trace.a[net.L]!;
  const values = s.grad.u[net.L]!;
  return made(s, `short ${s.weights.factor ? "weighted" : "plain"}`, {
    id: `${deltaName(layer)}[${net.L}]`, kind: "delta", l: net.L, way: "backward", entries: "example", values,
    shapes: [shape("δ", `${net.L}`, column(layer.units))],
    entry: (at) => {
      const weight = s.weights.factor?.[at.i];
      const value = values.at(at.i, at.j);
      const difference = minus(num(p.at(at.i, at.j)), factor(y.at(at.i, at.j)));
      const middle = weight === undefined ? difference : product(num(weight), parentheses(difference));
      const slope = layer.activation.slope(s.trace.u[net.L]!).at(at.i, at.j);
      const extra: Entry["mistakes"] = layer.activation.name === "identity" ? [] : [["extra_output_slope", value * slope]];
      return { line: worked(deltaHead(s, net.L, at), middle, value), value, mistakes: [["wrong_sign", -value], ...extra] };
    },
  }); // prettier-ignore
}

function throughActivation(s: Scene, l: number): Step[] {
  const { net } = s.problem;
  const layer = net.layer(l);
  const [u, h] = [s.trace.u[l]!, s.trace.h[l]!];
  const slopes = layer.activation.slope(u);
  const from = s.trace.mask[l] ? "h" : "a";
  const upstream = s.grad.h[l]!;
  const of = under(layer);
  return [
    made(s, `slope ${of} ${kindOf(layer)}`, {
      id: `slope[${l}]`, kind: "slope", l, way: "backward", entries: "example", values: slopes, meaning: symbolic(layer, "slope"),
      entry: (at) => {
        const value = slopes.at(at.i, at.j);
        return { line: worked(head("slope", s, l, at, true), written(layer, "slope", u.at(at.i, at.j)), value), value, mistakes: [["slope_at_activation", layer.activation.slope(h).at(at.i, at.j)], ["activation_in_place_of_slope", h.at(at.i, at.j)], ...outputForms(layer, u.at(at.i, at.j))] };
      },
    }),
    made(s, `delta ${from} ${of} ${kindOf(layer)} ${letter(s)}`, {
      id: `${deltaName(layer)}[${l}]`, kind: "delta", l, way: "backward", entries: "example", values: s.grad.u[l]!,
      shapes: [shape("δ", `${l}`, column(layer.units)), shape(from, `${l}`, column(layer.units))],
      entry: (at) => {
        const [g, slope, value] = [upstream.at(at.i, at.j), slopes.at(at.i, at.j), s.grad.u[l]!.at(at.i, at.j)];
        return {
          line: worked(deltaHead(s, l, at), product(num(g), factor(slope)), value),
          value,
          mistakes: [["activation_slope_missing", g], ["slope_at_activation", g * layer.activation.slope(h).at(at.i, at.j)], ["slope_twice", value * slope], ["activation_in_place_of_slope", g * h.at(at.i, at.j)], ...outputForms(layer, u.at(at.i, at.j)).map(([n, v]): [string, number] => [n, g * v]), ["wrong_sign", -value]],
        };
      },
    }),
  ]; // prettier-ignore
}

/** The form of φ′ in a, fed with z. */
function outputForms(layer: Layer, u: number): Entry["mistakes"] {
  if (layer.activation.name === "sigmoid") return [["output_form_fed_with_z", u * (1 - u)]];
  if (layer.activation.name === "tanh") return [["output_form_fed_with_z", 1 - u * u]];
  return [];
}

function throughSoftmax(s: Scene, l: number): Step {
  const layer = s.problem.net.layer(l);
  const [p, g, values] = [s.trace.h[l]!, s.grad.h[l]!, s.grad.u[l]!];
  const whole = layer.activation.name === "softmax";
  const key = whole ? `softmax ${s.trace.mask[l] ? "h" : "a"} ${letter(s)}` : `groups ${under(layer)} ${letter(s)}`;
  return made(s, key, {
    id: `${deltaName(layer)}[${l}]`, kind: "delta", l, way: "backward", entries: "example", values,
    entry: (at) => {
      const mates = softmaxMates(layer, at.j)!;
      const dot = sum(mates.map((k) => term(g.at(at.i, k), p.at(at.i, k))));
      const value = values.at(at.i, at.j);
      const middle = product(num(p.at(at.i, at.j)), parentheses(minus(num(g.at(at.i, at.j)), mates.length > 1 ? parentheses(dot) : dot)));
      const diagonal = g.at(at.i, at.j) * p.at(at.i, at.j) * (1 - p.at(at.i, at.j));
      return { line: worked(deltaHead(s, l, at), middle, value), value, mistakes: [["softmax_diagonal_only", diagonal]] };
    },
  }); // prettier-ignore
}

function throughNorm(s: Scene, l: number): Step[] {
  const { net, params } = s.problem;
  const layer = net.layer(l);
  const kind = layer.norm!;
  const batch = kind === "batch";
  const norm = s.trace.norm[l]!;
  const gradU = s.grad.u[l]!;
  const gamma = params.gamma[l]!;
  const g = gradU.map((x, k) => gamma[k % gradU.n]! * x);
  const same = grain(s.weights.share);
  const over_ = `${same} ${s.problem.X.m > 1 ? "many" : "single"} ${letter(s)}`;
  const parameter = (name: "gamma" | "beta"): Step => {
    const values = s.grad.flat[name][l]!;
    return made(s, `grad_${name} ${kind} ${over_}`, {
      id: `grad_${name}[${l}]`, kind: `grad_${name}`, l, way: "backward", entries: "unit", values,
      entry: (at) => {
        const terms = each(gradU.m, (i) => name === "gamma" ? term(gradU.at(i, at.j), norm.xHat.at(i, at.j)) : term(gradU.at(i, at.j)));
        return { line: worked(head(`grad_${name}`, s, l, at, false), shared(s, terms), values[at.j]!), value: values[at.j]!, mistakes: [] };
      },
    }); // prettier-ignore
  };
  const deltas = s.grad.delta[l]!;
  return [
    parameter("gamma"),
    parameter("beta"),
    made(s, `grad_x_hat ${kind} ${letter(s)}`, {
      id: `grad_x_hat[${l}]`, kind: "grad_x_hat", l, way: "backward", entries: "example", values: g,
      entry: (at) => {
        const value = g.at(at.i, at.j);
        return { line: worked(head(`grad_x_hat ${letter(s)}`, s, l, at, true), product(num(gamma[at.j]!), factor(gradU.at(at.i, at.j))), value), value, mistakes: [["norm_scale_missing", gradU.at(at.i, at.j)]] };
      },
    }),
    made(s, `delta ${kind} ${letter(s)}`, {
      id: `delta[${l}]`, kind: "norm delta", l, way: "backward", entries: "example", values: deltas,
      shapes: [shape("δ", `${l}`, column(layer.units))],
      entry: (at) => {
        const count = batch ? g.m : g.n;
        const cell = (M: Mat, t: number) => (batch ? M.at(t, at.j) : M.at(at.i, t));
        const mean = each(count, (t) => cell(g, t)).reduce((p, q) => p + q, 0) / count;
        const along = each(count, (t) => cell(g, t) * cell(norm.xHat, t)).reduce((p, q) => p + q, 0) / count;
        const top = sum([term(g.at(at.i, at.j)), term(-mean), turned(term(norm.xHat.at(at.i, at.j), along))]);
        const value = deltas.at(at.i, at.j);
        return {
          line: worked(head("delta", s, l, at, true), over(top, root(plus(num(norm.variance.at(at.i, at.j)), setting(layer.eps)))), value),
          value,
          mistakes: [["norm_statistics_constant", g.at(at.i, at.j) * norm.inverseStd.at(at.i, at.j)]],
        };
      },
    }),
  ]; // prettier-ignore
}

const turned = (t: Term): Term => ({ ...t, negative: !t.negative });

function biasGradient(s: Scene, l: number): Step {
  const { net, X } = s.problem;
  const [delta, values] = [s.grad.delta[l]!, s.grad.flat.b[l]!];
  const many = X.m > 1;
  return made(s, `grad_b ${grain(s.weights.share)} ${many ? "many" : "single"} ${many ? net.reduction : "itself"}`, {
    id: `grad_b[${l}]`, kind: "grad_b", l, way: "backward", entries: "unit", values,
    shapes: [shape("δ", `${l}`, column(net.n[l]!))],
    entry: (at) => {
      const value = values[at.j]!;
      const all = each(X.m, (i) => delta.at(i, at.j));
      const total = all.reduce((p, q) => p + q, 0);
      const mean = net.reduction === "mean" && many && !s.problem.weight;
      return {
        line: worked(head("grad_b", s, l, at, false), shared(s, all.map((d) => term(d))), value),
        value,
        mistakes: [["wrong_sign", -value], ...(mean ? ([["bias_not_averaged", total], ["bias_averaged_twice", value / X.m]] as Entry["mistakes"]) : []), ...(many ? ([["bias_from_one_example", all[at.i]!]] as Entry["mistakes"]) : [])],
      };
    },
  }); // prettier-ignore
}

function weightGradient(s: Scene, l: number): Step {
  const { net, X, params } = s.problem;
  const [delta, a, values] = [s.grad.delta[l]!, s.trace.a[l - 1]!, s.grad.flat.W[l]!];
  const many = X.m > 1;
  const [n, below] = [net.n[l]!, net.n[l - 1]!];
  return made(s, `grad_W ${grain(s.weights.share)} ${many ? "many" : "single"} ${net.l2 ? "l2" : "plain"}`, {
    id: `grad_W[${l}]`, kind: "grad_W", l, way: "backward", entries: "weight", values,
    shapes: [[`<mfrac><mrow><mo>∂</mo><mi>C</mi></mrow><mrow><mo>∂</mo><msub><mi>W</mi><mn>${l}</mn></msub></mrow></mfrac>`, `${n}×${below}`], shape("δ", `${l}`, column(n)), shape("a", `${l - 1}`, column(below))],
    entry: (at) => {
      const value = values.at(at.j, at.k);
      let middle = shared(s, each(X.m, (i) => term(delta.at(i, at.j), a.at(i, at.k))));
      const w = params.W[l]!.at(at.j, at.k);
      if (net.l2) middle = plus(middle, product(num(net.l2), factor(w)));
      const plain = value - net.l2 * w;
      const mean = net.reduction === "mean" && many && !s.problem.weight;
      const z = l > 1 ? s.trace.z[l - 1]! : null;
      const fromZ = z ? each(X.m, (i) => s.weights.share[i]! * delta.at(i, at.j) * z.at(i, at.k)).reduce((p, q) => p + q, 0) + net.l2 * w : null;
      const mistakes: Entry["mistakes"] = [["wrong_sign", -value]];
      if (mean) mistakes.push(["weight_gradient_not_averaged", plain * X.m + net.l2 * w], ["weight_gradient_averaged_twice", plain / X.m + net.l2 * w]);
      if (net.l2) mistakes.push(["penalty_missing", plain]);
      if (fromZ !== null) mistakes.push(["weight_gradient_from_z", fromZ]);
      if (n === below && at.j !== at.k) mistakes.push(["weight_gradient_transposed", values.at(at.k, at.j)]);
      if (many) mistakes.push(["one_example_only", delta.at(at.i, at.j) * a.at(at.i, at.k)]);
      return { line: worked(head("grad_W", s, l, at, false), middle, value), value, mistakes };
    },
  }); // prettier-ignore
}

function down(s: Scene, l: number): Step {
  const { net, params } = s.problem;
  const k = l - 1;
  const [W, delta, values] = [params.W[l]!, s.grad.delta[l]!, s.grad.a[k]!];
  const skips = net.layers.flatMap((layer, t) => (layer.skipFrom === k ? [{ top: t + 1, c: layer.skipScale }] : []));
  const step = made(s, k === 0 ? "grad_a inputs" : "grad_a layer", {
    id: `grad_a[${k}]`, kind: "grad_a", l, way: "backward", entries: "example", values,
    shapes: [[fill(signs[letter(s) === "S" ? "skip plain S" : "skip plain"], { t: String(k) }), column(net.n[k]!)], [`<msup><msub><mi>W</mi><mn>${l}</mn></msub><mo>⊤</mo></msup>`, `${net.n[k]}×${net.n[l]}`], shape("δ", `${l}`, column(net.n[l]!))],
    entry: (at) => {
      const paths = each(net.n[l]!, (j) => term(W.at(j, at.j), delta.at(at.i, j)));
      const more = skips.map(({ top, c }) => (c === 1 ? term(s.grad.a[top]!.at(at.i, at.j)) : term(c, s.grad.a[top]!.at(at.i, at.j))));
      const value = values.at(at.i, at.j);
      const own = each(net.n[l]!, (j) => W.at(j, at.j) * delta.at(at.i, j)).reduce((p, q) => p + q, 0);
      const mistakes: Entry["mistakes"] = [["wrong_sign", -value]];
      if (skips.length) mistakes.push(["skip_dropped", own]);
      if (net.n[k] === net.n[l] && net.n[k]! > 1)
        mistakes.push(["recurrence_transposed", each(net.n[l]!, (j) => W.at(at.j, j) * delta.at(at.i, j)).reduce((p, q) => p + q, 0)], ["recurrence_without_weights", delta.at(at.i, at.j)]);
      return { line: worked(head(`grad_a ${letter(s)}`, s, k, at, true), sum([...paths, ...more]), value), value, mistakes };
    },
  }); // prettier-ignore
  const suffix = letter(s) === "S" ? " S" : "";
  const more = skips.map(({ top, c }) =>
    c === 1
      ? fill(signs[`skip plain${suffix}` as "skip plain"], { t: String(top) })
      : fill(signs[`skip scaled${suffix}` as "skip scaled"], { t: String(top), c: settingFactor(c) }),
  );
  return { ...step, formula: more.reduce(plus, step.formula) };
}

// --- update -----------------------------------------------------------------------------------------------------------

function clipping(s: Scene): Step {
  const { clipNorm } = s.problem;
  const g = s.grad.flat.theta;
  const length = Math.sqrt(g.reduce((p, q) => p + q * q, 0));
  const step = made(s, "z", {
    id: "clip", kind: "clip", l: 0, way: "update", entries: "one", values: length,
    entry: () => ({ line: worked("<mo form=\"prefix\">‖</mo><mi>g</mi><mo form=\"postfix\">‖</mo>", null, length), value: length, mistakes: [] }),
  }); // prettier-ignore
  return {
    ...step,
    equation: clipNorm !== null ? "OPT-CLIP1" : "OPT-CLIP2",
    title: "Clipping",
    sentence: tables.clipping[clipNorm !== null ? 0 : 1]!,
    formula: "<mi>g</mi>",
  };
}

const KIND: Record<Name, string> = { W: "update_W", b: "update_b", gamma: "update_gamma", beta: "update_beta" };

type Rules = Record<string, string[][]>;

/** The optimizer's rule, line by line: equation, the name of what it makes, formula. */
export function rules(problem: Problem): string[][] {
  const { name, options } = optimizerOf(problem);
  const label = ["momentum", "nesterov", "amsgrad"].filter((key) => options[key]).join(" ");
  const all = (tables.optimizers as unknown as Record<string, { rules: Rules }>)[name]!.rules;
  const lines = all[label]!;
  return name === "adamw" && !options.weight_decay ? (tables.optimizers.adam.rules as Rules)[label]! : lines;
}

function updated(s: Scene, name: Name, l: number): Step {
  const { net, params } = s.problem;
  const { clipped, move, after, state } = s.update;
  const frozen = name === "b" && !net.layer(l).trainBias;
  const stateful = Object.keys(state).length > 0;
  const optimizer = optimizerOf(s.problem);
  const slot = after.slots.find((one) => one.name === name && one.l === l)!;
  const values = name === "W" ? after.W[l]! : after[name][l]!;
  return made(s, `${KIND[name]} ${frozen ? "frozen" : stateful ? "state" : "plain"}`, {
    id: `${KIND[name]}[${l}]`, kind: KIND[name], l, way: "update", entries: name === "W" ? "weight" : "unit", values,
    entry: (at) => {
      const e = slot.start + (name === "W" ? at.j * slot.columns + at.k : at.j);
      const [old, g, step, value] = [params.theta[e]!, clipped.theta[e]!, move.theta[e]!, after.theta[e]!];
      const left = head(KIND[name], s, l, at, false);
      const rate = Number(optimizer.options.learning_rate);
      const body = frozen ? num(old) : stateful ? sum([term(old), term(step)]) : minus(num(old), product(num(rate), factor(g)));
      const mistakes: Entry["mistakes"] = frozen ? [] : [["step_uphill", old - step]];
      if (!stateful && !frozen) mistakes.push(["learning_rate_missing", old - g]);
      return { line: frozen ? gets(left, num(value)) : worked(gets(left, body), null, value), value, mistakes };
    },
  }, { optimizer: rules(s.problem).at(-1)![0]! }); // prettier-ignore
}

function outcome(s: Scene): Step {
  const before = s.grad.loss;
  return {
    id: "update_loss", kind: "update_loss", l: 0, way: "update", entries: "one", equation: "", shapes: [], left: "",
    title: "The cost before and after", formula: "<mi>C</mi>",
    get values() {
      return s.after;
    },
    get sentence() {
      if (s.after < before) return "The cost fell.";
      if (s.after > before) return "The cost rose: the step was too long, or it is not against this gradient alone.";
      return s.after === before ? "The cost stayed the same." : "The cost is no longer a finite number.";
    },
    entry: () => ({ line: `<mi>C</mi><mo>:</mo>${num(before)}<mo>→</mo>${num(s.after)}`, value: s.after, mistakes: [] }),
  }; // prettier-ignore
}
