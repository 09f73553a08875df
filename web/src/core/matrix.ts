// Matrices as the passes need them: rows are examples, numbers in one flat array, row by row.

export class Mat {
  constructor(
    readonly m: number,
    readonly n: number,
    readonly d: Float64Array = new Float64Array(m * n),
  ) {}

  static from(rows: readonly (readonly number[])[]): Mat {
    return new Mat(rows.length, rows[0]?.length ?? 0, Float64Array.from(rows.flat()));
  }

  at(i: number, j: number): number {
    return this.d[i * this.n + j]!;
  }

  row(i: number): Float64Array {
    return this.d.subarray(i * this.n, (i + 1) * this.n);
  }

  rows(): number[][] {
    return Array.from({ length: this.m }, (_, i) => Array.from(this.row(i)));
  }

  copy(): Mat {
    return new Mat(this.m, this.n, this.d.slice());
  }

  map(f: (value: number, at: number) => number): Mat {
    const out = new Mat(this.m, this.n);
    for (let k = 0; k < out.d.length; k++) out.d[k] = f(this.d[k]!, k); // several times as fast as Float64Array's map
    return out;
  }

  zip(other: Mat, f: (a: number, b: number) => number): Mat {
    const out = new Mat(this.m, this.n);
    for (let k = 0; k < out.d.length; k++) out.d[k] = f(this.d[k]!, other.d[k]!);
    return out;
  }
}

/** A Bᵀ: (m, k), (n, k) ↦ (m, n). */
export function timesTransposed(A: Mat, B: Mat): Mat {
  const out = new Mat(A.m, B.m);
  const { n: k } = A;
  for (let i = 0; i < A.m; i++)
    for (let j = 0; j < B.m; j++) {
      let sum = 0;
      for (let t = 0, p = i * k, q = j * k; t < k; t++) sum += A.d[p + t]! * B.d[q + t]!;
      out.d[i * B.m + j] = sum;
    }
  return out;
}

/** A B: (m, k), (k, n) ↦ (m, n). */
export function times(A: Mat, B: Mat): Mat {
  const out = new Mat(A.m, B.n);
  for (let i = 0; i < A.m; i++)
    for (let t = 0; t < A.n; t++) {
      const a = A.d[i * A.n + t]!;
      for (let j = 0; j < B.n; j++) out.d[i * B.n + j]! += a * B.d[t * B.n + j]!;
    }
  return out;
}

/** Σ_i share_i · (row i of A)ᵀ (row i of B): (m, n), (m, k) ↦ (n, k). */
export function sharedProduct(A: Mat, B: Mat, share: Float64Array): Mat {
  const out = new Mat(A.n, B.n);
  for (let i = 0; i < A.m; i++)
    for (let j = 0; j < A.n; j++) {
      const a = A.d[i * A.n + j]!;
      for (let t = 0; t < B.n; t++) out.d[j * B.n + t]! += a * (share[i]! * B.d[i * B.n + t]!);
    }
  return out;
}

/** Σ_i share_i · row i: (m, n) ↦ (n,). */
export function sharedSum(A: Mat, share: Float64Array): Float64Array {
  const out = new Float64Array(A.n);
  for (let i = 0; i < A.m; i++) for (let j = 0; j < A.n; j++) out[j]! += A.d[i * A.n + j]! * share[i]!;
  return out;
}

/** The mean along an axis, spread over it again: over the examples (0) or over the units (1). */
export function meanAlong(A: Mat, axis: 0 | 1): Mat {
  const out = new Mat(A.m, A.n);
  const [groups, count] = axis === 0 ? [A.n, A.m] : [A.m, A.n];
  for (let g = 0; g < groups; g++) {
    const place = (t: number) => (axis === 0 ? t * A.n + g : g * A.n + t);
    let sum = 0;
    for (let t = 0; t < count; t++) sum += A.d[place(t)]!;
    for (let t = 0; t < count; t++) out.d[place(t)] = sum / count;
  }
  return out;
}

export const multiply = (A: Mat, B: Mat): Mat => A.zip(B, (a, b) => a * b);
export const add = (A: Mat | null | undefined, B: Mat): Mat => (A ? A.zip(B, (a, b) => a + b) : B);
export const scale = (A: Mat, c: number): Mat => A.map((a) => c * a);
