// The loss of an example, the cost of all.

import { shares } from "../core/passes";
import { exp, factor, fill, ln, long, num, over, parentheses, plus, product, setting, type Slots, sum, type Term, term, worked } from "../mathml";
import { softmaxMates } from "./forward";
import { each, head, made, type Scene, type Step } from "./step";
import tables from "../tables.json";

export function lossRow(s: Scene): { term: string; total: string; slope: string; formula: string } {
  const { term, total, slope, formula } = tables.losses[s.problem.net.loss.name as "huber"];
  return { term: long(term), total: long(total), slope: long(slope), formula: long(formula) };
}

export const lossParameter = (s: Scene): string => {
  const parameter = Object.values(s.problem.net.loss.parameters)[0];
  return parameter === undefined ? "" : setting(parameter);
};

export const lossSlope = (s: Scene, slots: Slots): string =>
  fill(lossRow(s).formula, { ...slots, n: num(s.problem.y.n), parameter: lossParameter(s) });

export function exampleLoss(s: Scene): Step {
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
export function fromScores(s: Scene, i: number): string {
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

export function cost(s: Scene): Step {
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
