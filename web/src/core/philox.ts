// Dropout masks, the same to the bit as Backlit's: Philox4x64-10 with key (seed, step) and counters (1, layer, 0, 0), ….

import { Mat } from "./matrix";

const M0 = 0xd2e7470ee14c6c93n;
const M1 = 0xca5a826395121157n;
const W0 = 0x9e3779b97f4a7c15n;
const W1 = 0xbb67ae8584caa73bn;
const LOW = 0xffffffffffffffffn;

/** Four 64-bit words of one counter. */
export function philox(counter: readonly bigint[], key: readonly bigint[]): bigint[] {
  let [c0, c1, c2, c3] = counter as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const p0 = M0 * c0;
    const p1 = M1 * c2;
    [c0, c1, c2, c3] = [(p1 >> 64n) ^ c1 ^ k0, p1 & LOW, (p0 >> 64n) ^ c3 ^ k1, p0 & LOW];
    k0 = (k0 + W0) & LOW;
    k1 = (k1 + W1) & LOW;
  }
  return [c0, c1, c2, c3];
}

/** Layer l's mask, (m, n): 0 with probability p, else 1/(1 − p); a unit is kept where its 32-bit word ≥ p 2³². */
export function dropoutMask(seed: number, step: number, l: number, m: number, n: number, p: number): Mat {
  const mask = new Mat(m, n);
  const key = [BigInt(seed), BigInt(step)];
  const least = roundHalfEven(p * 2 ** 32);
  const kept = 1 / (1 - p);
  for (let start = 0, block = 1n; start < m * n; start += 8, block++) {
    const words = philox([block, BigInt(l), 0n, 0n], key);
    for (let e = 0; e < 8 && start + e < m * n; e++) {
      const half = (words[e >> 1]! >> (e % 2 ? 32n : 0n)) & 0xffffffffn;
      mask.d[start + e] = Number(half) >= least ? kept : 0;
    }
  }
  return mask;
}

/** As Python rounds: a half goes to the even neighbor. */
function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  return x - down === 0.5 ? down + (down % 2) : Math.round(x);
}
