// A gradient by another way: the cost's own slope, from differences that extrapolate (Richardson).

import { forward, totalLoss, type Nudge } from "./core/passes";
import { Parameters } from "./core/network";
import type { Problem } from "./core/problem";
import type { Scene, Place, Step } from "./steps";

export interface Check {
  slope: number;
  digits: number;
}

const cost = (problem: Problem, t: number, params: Parameters, nudge?: Nudge): number => {
  const { net, X, y, weight, seed } = problem;
  const key = net.drops && seed !== null ? { seed, step: t } : null;
  return totalLoss(net, params, forward(net, params, X, key, nudge ? { nudge } : {}), y, weight);
};

/** The entry's slope measured, and to how many digits it agrees; null for what is no gradient, or lies at a kink. */
export function check(s: Scene, of: Step, at: Place, t: number): Check | null {
  const measured = slopeOf(s, of, at, t);
  if (measured === null) return null;
  const { value } = of.entry(at);
  const gap = Math.abs(measured - value);
  const size = Math.max(Math.abs(value), 1e-3 * largest(of.values), 1e-12);
  return { slope: measured, digits: gap === 0 ? 15 : Math.floor(-Math.log10(gap / size)) };
}

const largest = (values: Step["values"]): number =>
  typeof values === "number" ? Math.abs(values) : ("d" in values ? values.d : values).reduce((m, v) => Math.max(m, Math.abs(v)), 0);

function slopeOf(s: Scene, of: Step, at: Place, t: number): number | null {
  const { params, net } = s.problem;
  const [, name, l] = /^grad_(W|b|gamma|beta)\[(\d+)\]$/.exec(of.id) ?? [];
  if (name) {
    const slot = params.slots.find((one) => one.name === name && one.l === Number(l))!;
    const e = slot.start + (name === "W" ? at.j * slot.columns + at.k : at.j);
    return richardson((h) => {
      const moved = new Parameters(net, params.theta.slice());
      moved.theta[e]! += h;
      return cost(s.problem, t, moved);
    }, Math.abs(params.theta[e]!));
  }
  const nudged = /^(grad_a|delta)\[(\d+)\]$/.exec(of.id);
  const share = s.weights.share[at.i]!;
  if (!nudged || !share) return null;
  const layer = Number(nudged[2]);
  const where = nudged[1] === "delta" ? ("z" as const) : ("a" as const);
  const M = s.trace[where][layer]!;
  const place = at.i * M.n + at.j;
  if (where === "a" && layer === net.L && net.shortForm) return null; // there C is taken from the scores
  const slope = richardson(
    (h) => cost(s.problem, t, params, { name: where, l: layer, at: place, by: h }),
    Math.abs(M.d[place]!),
  );
  return slope / share;
}

/** The slope at 0 of f, by central differences whose error terms are taken off, at the step that settles best. */
function richardson(f: (h: number) => number, size: number): number {
  const table: number[][] = [];
  let best = NaN;
  let error = Infinity;
  for (let k = 0, h = 0.02 * Math.max(1, size); k < 7; k++, h /= 2.5) {
    const row = [(f(h) - f(-h)) / (2 * h)];
    for (let q = 1; q <= k; q++) row.push(row[q - 1]! + (row[q - 1]! - table[k - 1]![q - 1]!) / (2.5 ** (2 * q) - 1));
    table.push(row);
    for (let q = 1; q <= k; q++) {
      const gap = Math.max(Math.abs(row[q]! - row[q - 1]!), Math.abs(row[q]! - table[k - 1]![q - 1]!));
      if (gap < error) [best, error] = [row[q]!, gap];
    }
  }
  return best;
}
