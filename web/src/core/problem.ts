// A problem: a network with its numbers and its data, read from the content of a problem file and written as one.

import { activation, ACTIVATIONS, softmaxGroups, type Activation } from "./activations";
import { fail, flag, isObject, number, numbers, oneOf, onlyKeys, rows, short, spec, whole, type Range } from "./checks";
import { loss, LOSSES, type Loss } from "./losses";
import { Mat } from "./matrix";
import { NAMES, Network, Parameters, type Layer } from "./network";
import { LIMITS, optimizer, OPTIMIZERS, WORDS, type Optimizer, type Options } from "./optimizers";

export type ProblemFile = Record<string, unknown>;

export interface Problem {
  net: Network;
  params: Parameters;
  X: Mat;
  y: Mat;
  weight: Float64Array | null;
  optimizer: Optimizer | null;
  clipNorm: number | null;
  clipValue: number | null;
  seed: number | null;
  /** Whether y was given as class indices, and is written so. */
  labels: boolean;
}

const KEYS = ["inputs", "layers", "loss", "reduction", "l2", "x", "y", "sample_weight", "init", "optimizer",
  "clip_norm", "clip_value", "seed"]; // prettier-ignore
const LAYER_KEYS = ["units", "activation", "W", "b", "norm", "gamma", "beta", "eps", "dropout", "skip_from",
  "skip_scale", "train_bias"]; // prettier-ignore
const PARAMETER_LIMITS: Record<string, Range> = { delta: { low: 0, lowOpen: true }, quantile: { low: 0, high: 1, lowOpen: true, highOpen: true } }; // prettier-ignore
const EPS = 1e-5;
const MOST = 1e6; // parameters, or numbers in x, that a page takes

/** Read a problem file's content; throws a ProblemError of one sentence. */
export function read(given: unknown): Problem {
  const content = asJson(given);
  if (!isObject(content))
    return fail(`a problem is a table of fields such as "inputs" and "layers", not ${short(content)}`);
  onlyKeys(content, "", KEYS);
  for (const key of ["inputs", "layers"]) if (!(key in content)) fail(`${key}: missing: it is required`);
  const net = readNetwork(content);
  const params = readParameters(net, content.layers as Record<string, unknown>[]);
  if (content.x == null || content.y == null)
    fail('no examples: give rows of inputs as "x" and their targets as "y"');
  const X = Mat.from(rows(content.x, "x", net.inputs));
  if (!X.m) fail("x has no rows: give at least one example");
  if (X.d.length > MOST) fail(`x has ${X.d.length} numbers, more than the ${MOST} that a page takes: give fewer rows`);
  const [y, labels] = readTargets(net, content.y, X.m);
  const init = isObject(content.init) ? content.init : {};
  const seed = init.seed ?? content.seed ?? null;
  if (net.drops && seed === null)
    fail('dropout draws random masks, and no seed names them: give "init": {"seed": 0}');
  return {
    net,
    params,
    X,
    y,
    labels,
    weight: content.sample_weight == null ? null : readWeights(net, content.sample_weight, X.m),
    seed: seed === null ? null : whole(seed, "seed", 0),
    ...readOptimizer(content),
  };
}

/** What a file would hold of it: no holes, no NaN, nothing but data. */
function asJson(given: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(given) ?? "null");
  } catch {
    return fail("a problem is plain data, which goes into a file: this cannot");
  }
}

function readNetwork(content: ProblemFile): Network {
  const inputs = whole(content.inputs, "inputs", 1);
  if (!Array.isArray(content.layers) || !content.layers.length)
    return fail("layers must be a list of at least one layer");
  const n = [inputs];
  const layers = content.layers.map((layer: unknown, k) => {
    const made = readLayer(layer, `layers[${k}]`, n);
    n.push(made.units);
    if (/^softmax/.test(made.activation.name) && k + 1 < (content.layers as unknown[]).length)
      fail(`layer ${k + 1} is softmax, which is for the output: use it in layer ${(content.layers as unknown[]).length} only`);
    return made;
  });
  return new Network(
    inputs,
    layers,
    readLoss(content.loss ?? "half_squared_error"),
    oneOf(content.reduction ?? "mean", "reduction", ["mean", "sum"] as const),
    number(content.l2 ?? 0, "l2", { low: 0 }),
  );
}

function readLayer(layer: unknown, where: string, n: readonly number[]): Layer {
  if (!isObject(layer)) return fail(`${where} must be a table of fields such as "units", not ${short(layer)}`);
  onlyKeys(layer, `${where}.`, LAYER_KEYS);
  if (!("units" in layer)) fail(`${where}.units: missing: it is required`);
  const units = whole(layer.units, `${where}.units`, 1);
  const skipFrom = layer.skip_from == null ? null : whole(layer.skip_from, `${where}.skip_from`, 0);
  const l = n.length;
  if (skipFrom !== null && skipFrom >= l)
    fail(`layer ${l} skips from layer ${skipFrom}: skip_from must be an earlier layer, 0 to ${l - 1}`);
  if (skipFrom !== null && n[skipFrom] !== units)
    fail(`layer ${l} has ${units} units but skips from layer ${skipFrom}, which has ${n[skipFrom]}: make the two widths equal, or leave skip_from out`);
  return {
    units,
    activation: readActivation(layer.activation ?? "identity", `${where}: activation`, units),
    norm: layer.norm == null ? null : oneOf(layer.norm, `${where}.norm`, ["batch", "layer"] as const),
    eps: number(layer.eps ?? EPS, `${where}.eps`, { low: 0 }),
    dropout: number(layer.dropout ?? 0, `${where}.dropout`, { low: 0, high: 1, highOpen: true }),
    skipFrom,
    skipScale: number(layer.skip_scale ?? 1, `${where}.skip_scale`),
    trainBias: flag(layer.train_bias ?? true, `${where}.train_bias`),
  };
}

function readActivation(value: unknown, where: string, units: number): Activation {
  const groups = typeof value === "string" ? softmaxGroups(value) : null;
  if (groups) {
    const sum = groups.reduce((s, v) => s + v, 0);
    if (sum !== units) fail(`${where} ${value as string} takes ${sum} scores, but the layer has ${units} units`);
    return activation(value as string);
  }
  const [name, parameters] = spec(value, where, ACTIVATIONS);
  return activation(name, finite(parameters, `${where} ${name}: `));
}

function readLoss(value: unknown): Loss {
  const [name, parameters] = spec(value, "loss", LOSSES);
  return loss(name, finite(parameters, `loss ${name}: `));
}

function finite(parameters: Record<string, unknown>, where: string): Record<string, number> {
  return Object.fromEntries(
    Object.entries(parameters).map(([key, value]) => [key, number(value, where + key, PARAMETER_LIMITS[key])]),
  );
}

function readParameters(net: Network, layers: Record<string, unknown>[]): Parameters {
  if (net.n.slice(1).some((n, k) => n * net.n[k]! > MOST))
    fail(`the network has more than ${MOST} parameters, too many for a page: give a smaller one`);
  const params = new Parameters(net);
  layers.forEach((layer, k) => {
    const l = k + 1;
    const where = `layers[${k}]`;
    if (layer.norm == null && (layer.gamma ?? layer.beta) != null)
      fail(`${where}: gamma and beta belong to a norm: add "norm": "batch" or "layer"`);
    if (layer.W == null)
      fail(`${where}.W is missing: the page draws no weights of a scheme; backlit explore draws them, or write W out`);
    const W = rows(layer.W, `${where}.W`, net.n[k]!);
    if (W.length !== net.n[l]) fail(`${where}.W must have ${net.n[l]} rows, a row a unit, not ${W.length}`);
    params.W[l]!.d.set(W.flat());
    for (const name of NAMES.slice(1) as ("b" | "gamma" | "beta")[]) {
      if (layer[name] != null) params[name][l]!.set(numbers(layer[name], `${where}.${name}`, net.n[l]));
      else if (name === "gamma" && layer.norm != null) params.gamma[l]!.fill(1);
    }
  });
  return params;
}

/** y as rows, and whether it came as class indices. */
function readTargets(net: Network, value: unknown, m: number): [Mat, boolean] {
  const K = net.n[net.L]!;
  if (!Array.isArray(value)) return fail(`y must be rows of ${K} numbers, not ${short(value)}`);
  const flat = value.every((row) => !Array.isArray(row)) || (K > 1 && value.every((r) => Array.isArray(r) && r.length === 1));
  if (flat && m === 1 && K > 1 && value.length === K && !Array.isArray(value[0])) value = [value];
  else if (flat && K > 1 && net.loss.classes && value.length === m) {
    const y = new Mat(m, K);
    value.flat().forEach((label: unknown, i: number) => {
      if (typeof label !== "number" || !Number.isInteger(label) || label < 0 || label >= K)
        fail(`y[${i}] is ${short(label)}, but class indices go from 0 to ${K - 1} for ${K} outputs`);
      y.d[i * K + (label as number)] = 1;
    });
    return [y, true];
  } else if (flat && K === 1) value = value.map((v) => (Array.isArray(v) ? v : [v]));
  const y = Mat.from(rows(value, "y", K));
  if (y.m !== m) fail(`y must have ${m} rows, one for each row of x, not ${y.m}`);
  checkTargets(net, y);
  return [y, false];
}

export function checkTargets(net: Network, y: Mat): void {
  const [low, high] = net.loss.targets;
  const k = y.d.findIndex((t) => !(t >= low && t <= high));
  if (k >= 0)
    fail(`y[${Math.floor(k / y.n)}][${k % y.n}] is ${y.d[k]}, but ${net.loss.name} takes targets in [${low}, ${high}]`);
  if (!net.loss.classes || !net.shortForm) return;
  const groups = softmaxGroups(net.layer(net.L).activation.name) ?? [y.n];
  for (let i = 0; i < y.m; i++) {
    let from = 0;
    for (const size of groups) {
      const sum = y.row(i).slice(from, from + size).reduce((s, v) => s + v, 0); // prettier-ignore
      if (Math.abs(sum - 1) > 1e-5)
        fail(`row ${i} of y sums to ${sum}: cross_entropy after softmax takes probabilities that sum to 1`);
      from += size;
    }
  }
}

function readWeights(net: Network, value: unknown, m: number): Float64Array {
  const w = numbers(value, "sample_weight", m);
  w.forEach((v, i) => number(v, `sample_weight[${i}]`, { low: 0 }));
  if (net.reduction === "mean" && !w.some((v) => v > 0))
    fail("sample_weight sums to 0, so its mean is undefined: give one example a weight above 0");
  return w;
}

function readOptimizer(content: ProblemFile): Pick<Problem, "optimizer" | "clipNorm" | "clipValue"> {
  const given = content.optimizer;
  const inside: Record<string, unknown> = isObject(given) ? { ...given } : given == null ? {} : { name: given };
  const clips = ["clip_norm", "clip_value"].map((key) => {
    const value = inside[key] ?? content[key] ?? null;
    delete inside[key];
    return value === null ? null : number(value, key, { low: 0, lowOpen: true });
  });
  const made = Object.keys(inside).length ? namedOptimizer(inside) : null;
  return { optimizer: made, clipNorm: clips[0]!, clipValue: clips[1]! };
}

export function namedOptimizer(given: Record<string, unknown>): Optimizer {
  const { betas, ...rest } = given;
  const words: Record<string, unknown> = Array.isArray(betas) && betas.length === 2 ? { beta1: betas[0], beta2: betas[1] } : betas === undefined ? {} : { betas };
  for (const [key, value] of Object.entries(rest)) {
    const known = key in (OPTIMIZERS[given.name as string] ?? {}) ? key : (WORDS[key] ?? key);
    if (known in words) fail(`optimizer: ${known} is given twice: leave one out`);
    words[known] = value;
  }
  if (words.name === "amsgrad") Object.assign(words, { name: "adam", amsgrad: true });
  const [name, options] = spec(words, "optimizer", OPTIMIZERS);
  for (const [key, value] of Object.entries(options))
    if (key in LIMITS) number(value, `optimizer ${name}: ${key}`, LIMITS[key]);
    else flag(value, `optimizer ${name}: ${key}`);
  return optimizer(name, options as Options);
}

// --- and back ---------------------------------------------------------------------------------------------------------

const specOf = (record: Activation | Loss): unknown =>
  Object.keys(record.parameters).length ? { name: record.name, ...record.parameters } : record.name;

/** The problem as a problem file holds it, every number written out. */
export function write(problem: Problem): ProblemFile {
  const { net, params, X, y } = problem;
  const layers = net.layers.map((layer, k) => ({
    units: layer.units,
    activation: specOf(layer.activation),
    ...(layer.norm && { norm: layer.norm }),
    ...((layer.norm || layer.eps !== EPS) && { eps: layer.eps }),
    ...(layer.dropout && { dropout: layer.dropout }),
    ...(layer.skipFrom !== null && { skip_from: layer.skipFrom }),
    ...((layer.skipFrom !== null || layer.skipScale !== 1) && { skip_scale: layer.skipScale }),
    ...(!layer.trainBias && { train_bias: false }),
    W: params.W[k + 1]!.rows(),
    b: Array.from(params.b[k + 1]!),
    ...(layer.norm && { gamma: Array.from(params.gamma[k + 1]!), beta: Array.from(params.beta[k + 1]!) }),
  }));
  return {
    inputs: net.inputs,
    layers,
    loss: specOf(net.loss),
    reduction: net.reduction,
    l2: net.l2,
    x: X.rows(),
    y: problem.labels ? y.rows().map((row) => row.indexOf(1)) : y.rows(),
    ...(problem.weight && { sample_weight: Array.from(problem.weight) }),
    ...(problem.optimizer && { optimizer: { name: problem.optimizer.name, ...problem.optimizer.options } }),
    ...(problem.seed !== null && { seed: problem.seed }),
    ...(problem.clipNorm !== null && { clip_norm: problem.clipNorm }),
    ...(problem.clipValue !== null && { clip_value: problem.clipValue }),
  };
}
