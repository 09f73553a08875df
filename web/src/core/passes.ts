// The two passes, equation by equation as Backlit's core/passes.py has them; rows are examples.

import { totals } from "./losses";
import { add, Mat, meanAlong, multiply, scale, sharedProduct, sharedSum, times, timesTransposed } from "./matrix";
import { Parameters, type Network } from "./network";
import { dropoutMask } from "./philox";
import { fail } from "./checks";

export interface Normalized {
  xHat: Mat;
  inverseStd: Mat;
  mean: Mat;
  variance: Mat;
}

/** All quantities of a forward pass by layer; a[0] is the input, index 0 of the others is empty. */
export interface Trace {
  z: Mat[];
  u: Mat[];
  h: Mat[];
  a: Mat[];
  norm: (Normalized | null)[];
  mask: (Mat | null)[];
}

export interface Gradients {
  loss: number;
  flat: Parameters;
  a: Mat[];
  /** ∂ℓ/∂h: through the dropout, where there is one. */
  h: Mat[];
  u: Mat[];
  delta: Mat[];
}

export interface DropoutKey {
  seed: number;
  step: number;
}

/** What an experiment changes in a pass: a quantity of one entry is moved, so that C answers. */
export interface Nudge {
  name: "z" | "a";
  l: number;
  at: number;
  by: number;
}

export interface Options {
  nudge?: Nudge;
  /** A pass over the examples, whose batch moments are taken in place of this batch's own. */
  moments?: Trace;
}

const AXIS = { batch: 0, layer: 1 } as const;

export function forward(net: Network, params: Parameters, X: Mat, key: DropoutKey | null, options: Options = {}): Trace {
  const { nudge, moments } = options;
  const moved = (name: "z" | "a", l: number, M: Mat): Mat =>
    nudge?.name === name && nudge.l === l ? M.map((x, k) => (k === nudge.at ? x + nudge.by : x)) : M;
  const trace: Trace = { z: [], u: [], h: [], a: [moved("a", 0, X)], norm: [null], mask: [null] };
  for (let l = 1; l <= net.L; l++) {
    const layer = net.layer(l);
    const b = params.b[l]!;
    const z = moved("z", l, timesTransposed(trace.a[l - 1]!, params.W[l]!).map((sum, k) => sum + b[k % layer.units]!)); // [F1]
    const given = layer.norm === "batch" ? moments?.norm[l] : null;
    const normalized = given ? byMoments(z, given) : layer.norm ? normalize(z, AXIS[layer.norm], layer.eps) : null;
    const gamma = params.gamma[l]!;
    const beta = params.beta[l]!;
    const u = normalized ? normalized.xHat.map((x, k) => gamma[k % z.n]! * x + beta[k % z.n]!) : z; // [BN4] [LN4]
    const h = layer.activation.forward(u); // [F2]
    const mask = key && layer.dropout ? dropoutMask(key.seed, key.step, l, h.m, h.n, layer.dropout) : null;
    let a = mask ? multiply(h, mask) : h; // [DO1]
    if (layer.skipFrom !== null) a = a.zip(trace.a[layer.skipFrom]!, (x, y) => x + layer.skipScale * y); // [SK1]
    trace.z[l] = z;
    trace.u[l] = u;
    trace.h[l] = h;
    trace.a[l] = moved("a", l, a);
    trace.norm[l] = normalized;
    trace.mask[l] = mask;
  }
  return trace;
}

function normalize(z: Mat, axis: 0 | 1, eps: number): Normalized {
  const mean = meanAlong(z, axis); // [BN1] [LN1]
  const variance = meanAlong(z.zip(mean, (x, mu) => (x - mu) ** 2), axis); // [BN2] [LN2]
  const inverseStd = variance.map((v) => 1 / Math.sqrt(v + eps));
  const xHat = z.map((x, k) => (x - mean.d[k]!) * inverseStd.d[k]!); // [BN3] [LN3]
  return { xHat, inverseStd, mean, variance };
}

/** Each unit by the mean and deviation of another batch. */
function byMoments(z: Mat, given: Normalized): Normalized {
  const spread = (M: Mat) => z.map((_, k) => M.d[k % z.n]!);
  const [mean, inverseStd, variance] = [spread(given.mean), spread(given.inverseStd), spread(given.variance)];
  return { xHat: z.map((x, k) => (x - mean.d[k]!) * inverseStd.d[k]!), inverseStd, mean, variance };
}

/** From ∂ℓ/∂u to ∂ℓ/∂z: z acts on its own x̂ and, through μ and σ, on all others along the axis. */
function throughNorm(norm: Normalized, gamma: Float64Array, gradU: Mat, axis: 0 | 1): Mat {
  const g = gradU.map((x, k) => gamma[k % gradU.n]! * x); // [BN7] [LN5]
  const alongMean = meanAlong(g, axis);
  const alongStd = meanAlong(multiply(norm.xHat, g), axis);
  return g.map((x, k) => norm.inverseStd.d[k]! * (x - alongMean.d[k]! - norm.xHat.d[k]! * alongStd.d[k]!)); // [BN8] [LN6]
}

/** ℓ of each example, from the scores where the output has a short form. */
export function exampleLosses(net: Network, trace: Trace, y: Mat): Float64Array {
  const short = net.shortForm;
  if (short) return short(trace.u[net.L]!, y);
  checkOutputs(net, trace.a[net.L]!);
  return totals(trace.a[net.L]!, y, net.loss.term(y.n));
}

function checkOutputs(net: Network, a: Mat): void {
  const [low, high] = net.loss.outputs;
  const k = a.d.findIndex((x) => x < low || x > high);
  if (k >= 0)
    fail(
      `${net.loss.name} takes outputs in [${low}, ${high}], but a[${net.L}][${Math.floor(k / a.n)}][${k % a.n}] is ` +
        `${a.d[k]!.toPrecision(6)} with activation ${net.layer(net.L).activation.name}: ` +
        "use an output activation whose range fits",
    );
}

/** The share of each example in C: w_i/Σw for a mean, w_i for a sum. */
export function shares(net: Network, m: number, weight: Float64Array | null): Float64Array {
  const w = weight ?? new Float64Array(m).fill(1);
  const sum = net.reduction === "mean" ? w.reduce((s, v) => s + v, 0) : 1;
  return weight ? w.map((v) => v / sum) : w.fill(1 / sum);
}

/** Where weights come in: as a factor on ∂ℓ/∂a_L under batch norm, else as the share of each δ_i. */
export function exampleWeights(
  net: Network,
  m: number,
  weight: Float64Array | null,
): { factor: Float64Array | null; share: Float64Array } {
  const share = shares(net, m, weight);
  if (!net.coupled || !weight) return { factor: null, share };
  const even = shares(net, m, null);
  return { factor: share.map((s, i) => s / even[i]!), share: even };
}

export function totalLoss(net: Network, params: Parameters, trace: Trace, y: Mat, weight: Float64Array | null): number {
  const share = shares(net, y.m, weight);
  let C = exampleLosses(net, trace, y).reduce((sum, loss, i) => sum + share[i]! * loss, 0); // [C1]
  if (net.l2) for (const W of params.W.slice(1)) C += (net.l2 / 2) * W.d.reduce((sum, w) => sum + w * w, 0); // [L2]
  return C;
}

export function backward(
  net: Network,
  params: Parameters,
  trace: Trace,
  y: Mat,
  weight: Float64Array | null,
): Gradients {
  const loss = totalLoss(net, params, trace, y, weight);
  const { factor, share } = exampleWeights(net, y.m, weight);
  const weighted = (M: Mat) => (factor ? M.map((x, k) => factor[Math.floor(k / M.n)]! * x) : M);
  const grad: Gradients = { loss, flat: new Parameters(net), a: [], h: [], u: [], delta: [] };
  const out = trace.a[net.L]!;
  grad.a[net.L] = weighted(out.zip(y, net.loss.slope(y.n))); // [BP1]

  for (let l = net.L; l >= 1; l--) {
    const layer = net.layer(l);
    const phi = layer.activation;
    const mask = trace.mask[l];
    if (layer.skipFrom !== null)
      grad.a[layer.skipFrom] = add(grad.a[layer.skipFrom], scale(grad.a[l]!, layer.skipScale)); // [SK2]
    const gradH = mask ? multiply(grad.a[l]!, mask) : grad.a[l]!; // [DO2]

    let gradU: Mat;
    if (l === net.L && net.shortForm) gradU = weighted(out.zip(y, (p, t) => p - t)); // [BP1S]
    else if (phi.pullBack) gradU = phi.pullBack(trace.u[l]!, gradH); // [BP2S]
    else gradU = multiply(gradH, phi.slope(trace.u[l]!)); // [BP2]

    let delta = gradU;
    const norm = trace.norm[l];
    if (norm && layer.norm) {
      grad.flat.gamma[l]!.set(sharedSum(multiply(gradU, norm.xHat), share)); // [BN9] [LN7]
      grad.flat.beta[l]!.set(sharedSum(gradU, share)); // [BN10] [LN8]
      delta = throughNorm(norm, params.gamma[l]!, gradU, AXIS[layer.norm]);
    }
    grad.flat.b[l]!.set(sharedSum(delta, share)); // [BP3]
    grad.flat.W[l]!.d.set(sharedProduct(delta, trace.a[l - 1]!, share).d); // [BP4]
    if (net.l2) params.W[l]!.d.forEach((w, k) => (grad.flat.W[l]!.d[k]! += net.l2 * w)); // [L2G]
    grad.a[l - 1] = add(grad.a[l - 1], times(delta, params.W[l]!)); // [BP5]
    grad.h[l] = gradH;
    grad.u[l] = gradU;
    grad.delta[l] = delta;
  }
  return grad;
}

/** The first quantity, in the order of computation, that is not finite, such as "z[2]"; null if all are finite. */
export function firstNonFinite(trace: Trace, grad: Gradients | null): string | null {
  const bad = (M: Mat | undefined) => M && !M.d.every(Number.isFinite);
  for (let l = 0; l < trace.a.length; l++)
    for (const name of ["z", "u", "h", "a"] as const) if (bad(trace[name][l])) return `${name}[${l}]`;
  if (!grad) return null;
  if (!Number.isFinite(grad.loss)) return "loss";
  for (let l = trace.a.length - 1; l >= 1; l--) {
    if (bad(grad.a[l])) return `grad_a[${l}]`;
    if (bad(grad.delta[l])) return `delta[${l}]`;
    if (bad(grad.flat.W[l]) || !grad.flat.b[l]!.every(Number.isFinite)) return `grad_W[${l}]`;
  }
  return null;
}
