// Losses: ℓ of each example beside ∂ℓ/∂a, with no 1/m in it; and the output pairs that have a short form.

import { logProbabilities, overGroups, softmaxGroups, type Activation } from "./activations";
import type { Mat } from "./matrix";
import { clipped, logSlope, positivePart } from "./special";

type Term = (a: number, y: number) => number;

export interface Loss {
  name: string;
  parameters: Record<string, number>;
  /** What one output adds to ℓ, and ∂ℓ/∂a of one output; n is the number of outputs. */
  term(n: number): Term;
  slope(n: number): Term;
  outputs: [number, number];
  targets: [number, number];
  classes: boolean;
}

type Functions = [term: (n: number) => Term, slope: (n: number) => Term];
const plain = (term: Term, slope: Term): Functions => [() => term, () => slope];
const ANY: [number, number] = [-Infinity, Infinity];

const FUNCTIONS: Record<string, (p: Record<string, number>) => Functions> = {
  half_squared_error: () => plain((a, y) => (a - y) ** 2 / 2, (a, y) => a - y),
  squared_error: () => plain((a, y) => (a - y) ** 2, (a, y) => 2 * (a - y)),
  mean_squared_error: () => [(n) => (a, y) => (a - y) ** 2 / n, (n) => (a, y) => (2 * (a - y)) / n],
  absolute_error: () => plain((a, y) => Math.abs(a - y), (a, y) => Math.sign(a - y)),
  huber: ({ delta }) =>
    plain(
      (a, y) => (Math.abs(a - y) <= delta! ? (a - y) ** 2 / 2 : delta! * (Math.abs(a - y) - delta! / 2)),
      (a, y) => Math.min(Math.max(a - y, -delta!), delta!),
    ),
  quantile: ({ quantile: q }) =>
    plain(
      (a, y) => (y - a < 0 ? (q! - 1) * (y - a) : q! * (y - a)),
      (a, y) => (a > y ? 1 - q! : a < y ? -q! : 0),
    ),
  cross_entropy: () => plain((a, y) => -(y * Math.log(clipped(a))), (a, y) => -y * logSlope(a)),
  binary_cross_entropy: () =>
    plain(
      (a, y) => -(y * Math.log(clipped(a)) + (1 - y) * Math.log(clipped(1 - a))),
      (a, y) => -y * logSlope(a) + (1 - y) * logSlope(1 - a),
    ),
  poisson: () => plain((a, y) => a - y * Math.log(clipped(a)), (a, y) => 1 - y * logSlope(a)),
};

/** The names, and of each its parameters with their defaults. */
export const LOSSES: Record<string, Record<string, number>> = {
  ...Object.fromEntries(Object.keys(FUNCTIONS).map((name) => [name, {}])),
  huber: { delta: 1 },
  quantile: { quantile: 0.5 },
};

export function loss(name: string, parameters: Record<string, number> = {}): Loss {
  const [term, slope] = FUNCTIONS[name]!(parameters);
  const unit = name === "binary_cross_entropy";
  const classes = name === "cross_entropy";
  const count = name === "poisson";
  return {
    name,
    parameters,
    term,
    slope,
    classes,
    outputs: unit ? [0, 1] : classes || count ? [0, Infinity] : ANY,
    targets: unit || classes ? [0, 1] : count ? [0, Infinity] : ANY,
  };
}

/** ℓ of each example, from the scores u of a pair whose slope there is p − y. */
export type ShortForm = (u: Mat, y: Mat) => Float64Array;

export function shortForm(phi: Activation, of: Loss): ShortForm | null {
  const groups = phi.name === "softmax" ? [] : softmaxGroups(phi.name);
  if (groups && of.name === "cross_entropy")
    return (u, y) => totals(overGroups(u, groups, logProbabilities), y, (log, t) => -(t * log));
  switch (`${phi.name} ${of.name}`) {
    case "sigmoid binary_cross_entropy":
      return (u, y) => totals(u, y, (s, t) => positivePart(s) - t * s + Math.log1p(Math.exp(-Math.abs(s))));
    case "identity half_squared_error":
      return (u, y) => totals(u, y, (s, t) => (s - t) ** 2 / 2);
    case "exp poisson":
      return (u, y) => totals(u, y, (s, t) => Math.exp(s) - t * s);
  }
  return null;
}

/** The sum over the outputs of each example. */
export function totals(a: Mat, y: Mat, term: Term): Float64Array {
  return Float64Array.from({ length: a.m }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < a.n; k++) sum += term(a.at(i, k), y.at(i, k));
    return sum;
  });
}
