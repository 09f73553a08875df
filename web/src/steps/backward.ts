// Backward: from the loss through activations and norms to each δ.

import type { Mat } from "../core/matrix";
import type { Layer } from "../core/network";
import { factor, fill, minus, num, over, parentheses, plus, product, root, setting, signs, sum, term, worked } from "../mathml";
import { softmaxMates, symbolic, written } from "./forward";
import { biasGradient, down, turned, weightGradient } from "./gradients";
import { lossParameter, lossRow, lossSlope } from "./loss";
import { column, each, type Entry, grain, head, kindOf, letter, made, type Place, type Scene, shape, shared, type Step, under } from "./step";

export function outputSlope(s: Scene): Step {
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
  }, {}, (symbols) => lossSlope(s, symbols)); // prettier-ignore
}

export const factorless = num;

/** ∂ℓ/∂u: δ itself where there is no norm. */
export const deltaName = (layer: Layer): "grad_u" | "delta" => (layer.norm ? "grad_u" : "delta");
export const deltaHead = (s: Scene, l: number, at: Place): string =>
  head(s.problem.net.layer(l).norm ? `grad_u ${letter(s)}` : "delta", s, l, at, true);

export function backwardLayer(s: Scene, l: number): Step[] {
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

export function shortForm(s: Scene): Step {
  const { net, y } = s.problem;
  const layer = net.layer(net.L);
  const p = s.trace.a[net.L]!;
  const values = s.grad.u[net.L]!;
  return made(s, `short ${under(layer)}${s.weights.factor ? " weighted" : ""}`, {
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

export function throughActivation(s: Scene, l: number): Step[] {
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
export function outputForms(layer: Layer, u: number): Entry["mistakes"] {
  if (layer.activation.name === "sigmoid") return [["output_form_fed_with_z", u * (1 - u)]];
  if (layer.activation.name === "tanh") return [["output_form_fed_with_z", 1 - u * u]];
  return [];
}

export function throughSoftmax(s: Scene, l: number): Step {
  const layer = s.problem.net.layer(l);
  const [p, g, values] = [s.trace.h[l]!, s.grad.h[l]!, s.grad.u[l]!];
  const whole = layer.activation.name === "softmax";
  const key = whole ? `softmax ${s.trace.mask[l] ? "h" : "a"} ${under(layer)} ${letter(s)}` : `groups ${under(layer)} ${letter(s)}`;
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

export function throughNorm(s: Scene, l: number): Step[] {
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
