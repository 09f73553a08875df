// Forward: weighted sums, norms, activations, dropout, skips.

import { softmaxGroups } from "../core/activations";
import type { Mat } from "../core/matrix";
import type { Layer } from "../core/network";
import { exp, fill, long, num, over, parentheses, plus, product, root, setting, square, sum, type Term, term, worked } from "../mathml";
import { column, each, head, kindOf, made, out, type Place, type Scene, shape, type Step, under } from "./step";
import tables from "../tables.json";

export function forwardLayer(s: Scene, l: number): Step[] {
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

export function normalization(s: Scene, l: number): Step[] {
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

export type Written = { value?: string[]; slope?: string[]; formulas?: string[] };

/** φ or φ′ in symbols, of u; "" where it has no formula. */
export function symbolic(layer: Layer, what: "value" | "slope"): string {
  const known = (tables.activations as Record<string, Written>)[layer.activation.name]?.formulas?.[what === "value" ? 0 : 1];
  const alpha = Object.values(layer.activation.parameters)[0];
  if (!known || layer.activation.name === "identity") return "";
  return fill(long(known).replaceAll("<mi>u</mi>", `<mi>${under(layer)}</mi>`), { alpha: alpha === undefined ? "" : setting(alpha) });
}

/** φ or φ′ of a number, written out; null where it is a name alone. */
export function written(layer: Layer, what: "value" | "slope", u: number): string | null {
  const known = (tables.activations as Record<string, Written>)[layer.activation.name]?.[what];
  if (!known || layer.activation.name === "identity") return null;
  const alpha = Object.values(layer.activation.parameters)[0];
  const size = num(Math.abs(u));
  // the slot stands in an <mn>, which a power of ten is not
  const template = long(known[u < 0 ? 1 : 0]!).replaceAll("<mn>⟦u⟧</mn>", "⟦u⟧");
  return fill(template, { u: size, alpha: alpha === undefined ? "" : setting(alpha) });
}

export function activated(s: Scene, l: number, name: "h" | "a", u: Mat, h: Mat): Step {
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
export function softmaxMates(layer: Layer, j: number): number[] | null {
  const { name } = layer.activation;
  const sizes = name === "softmax" ? [layer.units] : softmaxGroups(name);
  let start = 0;
  for (const size of sizes ?? []) {
    if (j < start + size) return each(size, (k) => start + k);
    start += size;
  }
  return null;
}
