// The functions that activations and losses are made of, written so that none overflows where its value is finite.

export const TINY = 2.2250738585072014e-308; // the least normal number of float64

export const clipped = (a: number): number => (a < TINY ? TINY : a);
export const logSlope = (a: number): number => (a < TINY ? 0 : 1 / clipped(a));

export function sigmoid(u: number): number {
  const e = Math.exp(-Math.abs(u));
  return (u <= 0 ? e : 1) / (1 + e);
}

export function tanhSlope(u: number): number {
  const e = Math.exp(-2 * Math.abs(u));
  return (4 * e) / (1 + e) ** 2;
}

export const positivePart = (u: number): number => (u <= 0 ? 0 : u);
export const negativePart = (u: number): number => (u <= 0 ? u : 0);
export const softplus = (u: number): number => positivePart(u) + Math.log1p(Math.exp(-Math.abs(u)));
export const normalCdf = (u: number): number => 0.5 * erfc(-u * Math.SQRT1_2);
export const normalPdf = (u: number): number => Math.exp(-0.5 * u * u) / Math.sqrt(2 * Math.PI);

/** The coefficients, lowest first, of a polynomial in x. */
const polynomial = (x: number, ...c: number[]): number => c.reduceRight((sum, next) => sum * x + next, 0);

/** 1 − erf x, to about one unit in the last place: the rational approximations of FreeBSD's s_erf.c (Sun, 1993). */
export function erfc(x: number): number {
  if (Number.isNaN(x)) return x;
  const a = Math.abs(x);
  if (a < 0.84375) {
    const z = x * x;
    const r = polynomial(z, 1.28379167095512558561e-1, -3.25042107247001499370e-1, -2.84817495755985104766e-2, -5.77027029648944159157e-3, -2.37630166566501626084e-5);
    const s = polynomial(z, 1, 3.97917223959155352819e-1, 6.50222499887672944485e-2, 5.08130628187576562776e-3, 1.32494738004321644526e-4, -3.96022827877536812320e-6);
    const y = r / s;
    return x < 0.25 ? 1 - (x + x * y) : 0.5 - (x - 0.5 + x * y);
  }
  if (a < 1.25) {
    const s = a - 1;
    const P = polynomial(s, -2.36211856075265944077e-3, 4.14856118683748331666e-1, -3.72207876035701323847e-1, 3.18346619901161753674e-1, -1.10894694282396677476e-1, 3.54783043256182359371e-2, -2.16637559486879084300e-3);
    const Q = polynomial(s, 1, 1.06420880400844228286e-1, 5.40397917702171048937e-1, 7.18286544141962662868e-2, 1.26171219808761642112e-1, 1.36370839120290507362e-2, 1.19844998467991074170e-2);
    const erx = 8.45062911510467529297e-1;
    return x >= 0 ? 1 - erx - P / Q : 1 + (erx + P / Q);
  }
  if (a >= 28) return x > 0 ? 0 : 2;
  if (x < -6) return 2;
  const s = 1 / (a * a);
  const [R, S] = a < 1 / 0.35
    ? [
        polynomial(s, -9.86494403484714822705e-3, -6.93858572707181764372e-1, -1.05586262253232909814e1, -6.23753324503260060396e1, -1.62396669462573470355e2, -1.84605092906711035994e2, -8.12874355063065934246e1, -9.81432934416914548592),
        polynomial(s, 1, 1.96512716674392571292e1, 1.37657754143519042600e2, 4.34565877475229228821e2, 6.45387271733267880336e2, 4.29008140027567833386e2, 1.08635005541779435134e2, 6.57024977031928170135, -6.04244152148580987438e-2),
      ]
    : [
        polynomial(s, -9.86494292470009928597e-3, -7.99283237680523006574e-1, -1.77579549177547519889e1, -1.60636384855821916062e2, -6.37566443368389627722e2, -1.02509513161107724954e3, -4.83519191608651397019e2),
        polynomial(s, 1, 3.03380607434824582924e1, 3.25792512996573918826e2, 1.53672958608443695994e3, 3.19985821950859553908e3, 2.55305040643316442583e3, 4.74528541206955367215e2, -2.24409524465858183362e1),
      ];
  const z = upperHalf(a); // a² = z² + (a − z)(a + z), where z² is exact
  const r = (Math.exp(-z * z - 0.5625) * Math.exp((z - a) * (z + a) + R / S)) / a;
  return x > 0 ? r : 2 - r;
}

/** The number with the low 32 bits of its significand 0. */
function upperHalf(x: number): number {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, x);
  bits.setUint32(4, 0);
  return bits.getFloat64(0);
}
