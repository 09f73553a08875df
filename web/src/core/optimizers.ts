// Optimizers as pure functions on the flat vector: (g, state, t, theta) ↦ the step to add, and the new state.

export type Vector = Float64Array;
export type State = Record<string, Vector>;
export type Options = Record<string, number | boolean>;

export interface Optimizer {
  name: string;
  options: Options;
  slots: string[];
  update(g: Vector, state: State, t: number, theta: Vector): [step: Vector, state: State];
}

/** The names, and of each its options with their defaults. */
export const OPTIMIZERS: Record<string, Options> = {
  sgd: { learning_rate: 0.01, momentum: 0, nesterov: false },
  adagrad: { learning_rate: 0.01, eps: 1e-10 },
  rmsprop: { learning_rate: 0.01, rho: 0.99, eps: 1e-8, momentum: 0 },
  adam: { learning_rate: 0.001, beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false },
  adamw: { learning_rate: 0.001, beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false, weight_decay: 0.01 },
};

/** The intervals that options lie in, and other libraries' words for them. */
export const LIMITS: Record<string, { low: number; high?: number; highOpen?: boolean }> = {
  learning_rate: { low: 0 },
  momentum: { low: 0, high: 1 },
  rho: { low: 0, high: 1, highOpen: true },
  beta1: { low: 0, high: 1, highOpen: true },
  beta2: { low: 0, high: 1, highOpen: true },
  eps: { low: 1e-37 },
  weight_decay: { low: 0 },
};
export const WORDS: Record<string, string> = {
  lr: "learning_rate",
  learning_rate_init: "learning_rate",
  beta_1: "beta1",
  beta_2: "beta2",
  epsilon: "eps",
  nesterovs_momentum: "nesterov",
  alpha: "rho",
};

const zip = (a: Vector, b: Vector, f: (a: number, b: number) => number): Vector => a.map((x, k) => f(x, b[k]!));

export function optimizer(name: string, options: Options): Optimizer {
  const { learning_rate: lr, momentum: mu, nesterov, rho, eps, beta1, beta2, amsgrad, weight_decay } = options as Record<
    string,
    number
  > & { nesterov?: boolean; amsgrad?: boolean };
  const rules: Record<string, [string[], Optimizer["update"]]> = {
    sgd: [
      mu ? ["v"] : [],
      (g, state) => {
        if (!mu) return [g.map((x) => -lr! * x), {}];
        const v = zip(state.v!, g, (old, x) => mu * old - lr! * x);
        return [nesterov ? zip(v, g, (now, x) => mu * now - lr! * x) : v, { v }];
      },
    ],
    adagrad: [
      ["s"],
      (g, state) => {
        const s = zip(state.s!, g, (old, x) => old + x * x);
        return [zip(g, s, (x, sum) => (-lr! * x) / (Math.sqrt(sum) + eps!)), { s }];
      },
    ],
    rmsprop: [
      mu ? ["s", "v"] : ["s"],
      (g, state) => {
        const s = zip(state.s!, g, (old, x) => rho! * old + (1 - rho!) * x * x);
        const d = zip(g, s, (x, mean) => x / (Math.sqrt(mean) + eps!));
        if (!mu) return [d.map((x) => -lr! * x), { s }];
        const v = zip(state.v!, d, (old, x) => mu * old + x);
        return [v.map((x) => -lr! * x), { s, v }];
      },
    ],
    adam: [amsgrad ? ["m", "v", "v_max"] : ["m", "v"], adam],
    adamw: [
      amsgrad ? ["m", "v", "v_max"] : ["m", "v"],
      (g, state, t, theta) => {
        const [step, made] = adam(g, state, t);
        return [zip(step, theta, (x, w) => x - lr! * weight_decay! * w), made];
      },
    ],
  };
  function adam(g: Vector, state: State, t: number): [Vector, State] {
    const m = zip(state.m!, g, (old, x) => beta1! * old + (1 - beta1!) * x);
    const v = zip(state.v!, g, (old, x) => beta2! * old + (1 - beta2!) * x * x);
    const v_max = amsgrad ? zip(state.v_max!, v, (a, b) => (Number.isNaN(a) ? a : a > b ? a : b)) : v;
    const step = zip(m, v_max, (mean, square) => {
      const v_hat = square / (1 - beta2! ** t);
      return (-lr! * (mean / (1 - beta1! ** t))) / (Math.sqrt(v_hat) + eps!);
    });
    return [step, amsgrad ? { m, v, v_max } : { m, v }];
  }
  const [slots, update] = rules[name]!;
  return { name, options, slots, update };
}

export const start = (of: Optimizer, theta: Vector): State =>
  Object.fromEntries(of.slots.map((slot) => [slot, new Float64Array(theta.length)]));

/** ‖g‖, by squares that neither overflow nor vanish. */
export function norm(g: Vector): number {
  const largest = g.reduce((top, x) => (Number.isNaN(x) || x > top || -x > top ? Math.abs(x) : top), 0);
  if (largest === 0 || !Number.isFinite(largest)) return largest;
  return largest * Math.sqrt(g.reduce((sum, x) => sum + (x / largest) ** 2, 0));
}

/** The gradient as the optimizer gets it: shortened to length c where it is longer, then each entry bounded. */
export function clip(g: Vector, clipNorm: number | null, clipValue: number | null): Vector {
  let made = g;
  if (clipNorm !== null && norm(g) > clipNorm && g.every(Number.isFinite)) {
    const largest = g.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    const scaled = g.map((x) => x / largest);
    const c = clipNorm / Math.sqrt(scaled.reduce((sum, x) => sum + x * x, 0));
    made = scaled.map((x) => x * c);
  }
  if (clipValue === null) return made;
  return made.map((x) => (x > clipValue ? clipValue : x < -clipValue ? -clipValue : x));
}
