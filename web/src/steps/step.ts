// What a step is, and what all of them share.

import { softmaxGroups } from "../core/activations";
import type { Mat } from "../core/matrix";
import type { Layer } from "../core/network";
import { exampleLosses, exampleWeights, type Gradients, type Trace } from "../core/passes";
import type { Problem } from "../core/problem";
import type { Passes } from "../core/training";
import { fill, long, num, over, parentheses, product, setting, settingText, type Slots, sum, type Term } from "../mathml";
import type { Step as Update } from "../core/training";
import tables from "../tables.json";

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

export const TABLE = tables.steps as Record<string, number[]>;
export const HEADS = tables.heads as Record<string, string>;

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

export const symbolOf = (layer: Layer): string => {
  const known = tables.activations as Record<string, { symbol: string }>;
  return known[layer.activation.name]?.symbol ?? layer.activation.name.replaceAll("_", " ");
};
export const under = (layer: Layer): "u" | "z" => (layer.norm ? "u" : "z");
export const letter = (s: Scene): "S" | "ell" => (s.problem.net.coupled ? "S" : "ell");
export const out = (s: Scene, l: number): "h" | "a" =>
  s.trace.mask[l] || s.problem.net.layer(l).skipFrom !== null ? "h" : "a";
export const kindOf = (layer: Layer): string => {
  const { name, parameters } = layer.activation;
  if (name === "exp") return "exp"; // e^u has a look of its own
  if (softmaxGroups(name)) return "groups";
  const kind = name === "identity" ? "identity" : name === "softmax" ? "softmax" : "phi";
  return kind + Object.keys(parameters).length;
};
export const settingFactor = (c: number): string => (c < 0 ? parentheses(setting(c)) : setting(c));
export const plural = (n: number, word: string): string => (n === 1 ? `one ${word}` : `${n} ${word}s`);
export const grain = (share: Float64Array): string =>
  share.every((w) => w === 1) ? "one" : share.every((w) => Math.abs(w * share.length - 1) < 1e-12) ? "mean" : "uneven";

/** How a step's key, slots and words become a step. */
export function made(
  s: Scene,
  key: string,
  own: Omit<Step, "equation" | "title" | "sentence" | "left" | "formula" | "shapes"> & { shapes?: Step["shapes"] },
  slots: Slots = {},
  formula?: (symbols: Slots) => string,
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
    formula: formula ? formula(symbols) : fill(long(row[3]!), { ...symbols, ...slots }),
  };
}

/** The left-hand side of a step's formula, by its id; "" where the formula says what it is of. */
export function left(s: Scene, id: string): string {
  const [, name, l] = /^(\w+?)(?:\[(\d+)\])?$/.exec(id)!;
  const suffix = /^grad_(a|h|u|x_hat)$/.test(name!) ? ` ${letter(s)}` : "";
  const template = HEADS[`left ${name}${suffix}`];
  return template ? fill(long(template), { l: l ?? "" }) : "";
}

export function head(name: string, s: Scene, l: number, at: Place, perExample: boolean): string {
  const many = perExample && s.problem.X.m > 1 && !/ S$/.test(name);
  const key = many && HEADS[`${name} of i`] ? `${name} of i` : name;
  const layer = s.problem.net.layer(l || 1);
  return fill(long(HEADS[key]!), { l: String(l), i: String(at.i + 1), j: String(at.j + 1), k: String(at.k + 1), phi: symbolOf(layer), under: `<mi>${under(layer)}</mi>` }); // prettier-ignore
}

export const column = (n: number): string => `${n}×1`;
export const shape = (symbol: string, layer: string, size: string): [string, string] => [
  layer === "" ? `<mi>${symbol}</mi>` : `<msub><mi>${symbol}</mi><mn>${layer}</mn></msub>`,
  size,
];

/** Σ share_i x_i, worked: over m where all shares are 1/m. */
export function shared(s: Scene, terms: Term[]): string {
  const { share } = s.weights;
  const same = grain(share);
  const { m } = s.problem.X;
  if (same === "uneven")
    return sum(terms.map((t, i) => ({ negative: t.negative, body: product(num(share[i]!), t.body) })));
  if (same === "one" || m === 1) return sum(terms);
  return over(sum(terms), num(m));
}

export const each = <T>(n: number, f: (k: number) => T): T[] => Array.from({ length: n }, (_, k) => f(k));
