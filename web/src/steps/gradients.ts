// The gradients of weights and biases, and the slope one layer down.

import { factor, fill, num, plus, product, signs, sum, type Term, term, worked } from "../mathml";
import { column, each, type Entry, grain, head, letter, made, type Scene, settingFactor, shape, shared, type Step } from "./step";

export const turned = (t: Term): Term => ({ ...t, negative: !t.negative });

export function biasGradient(s: Scene, l: number): Step {
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

export function weightGradient(s: Scene, l: number): Step {
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

export function down(s: Scene, l: number): Step {
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
