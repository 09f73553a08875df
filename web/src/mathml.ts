// Formulas: templates that Python's renderer wrote, whose slots are filled with numbers and with other filled ones.

import tables from "./tables.json";

const SHORT = tables.short as Record<string, string>;
const LETTERS = new RegExp(`[${Object.keys(SHORT).map((letter) => "\\" + letter).join("")}]`.replaceAll(/\\([A-Z])/g, "$1"), "g");

/** Markup of the tables, in which one letter stands for what comes again and again, written out. */
export const long = (markup: string): string => markup.replace(LETTERS, (letter) => SHORT[letter]!);

const SIGNS = Object.fromEntries(Object.entries(tables.signs).map(([name, markup]) => [name, long(markup)])) as typeof tables.signs;
export const signs = SIGNS;
export type Slots = Record<string, string>;

/** Fill the slots ⟦name⟧; a slot that is not given is an error of ours. */
export function fill(template: string, slots: Slots): string {
  return template.replace(/⟦([^⟧]+)⟧/g, (_, name: string) => {
    const value = slots[name];
    if (value === undefined) throw new Error(`slot ${name} of a formula is not filled`);
    return value;
  });
}

const DIGITS = 5;
const FINEST = 15;

export interface Shown {
  text: string;
  exact: boolean;
}

/** A number as `explain` prints it: five significant digits, fewer where it has fewer. */
export function shown(value: number, digits = DIGITS): Shown {
  if (Number.isNaN(value)) return { text: "NaN", exact: false };
  if (!Number.isFinite(value)) return { text: value > 0 ? "∞" : "-∞", exact: false };
  if (value === 0) return { text: "0", exact: true };
  const rounded = Number(value.toExponential(digits - 1));
  const exact = Math.abs(rounded - value) <= 1e-13 * Math.abs(value);
  return { text: plain(rounded, exact ? null : digits), exact };
}

function plain(value: number, digits: number | null): string {
  const whole = digits === null;
  const significant = digits ?? Math.max(1, mantissa(value).replace(".", "").replace(/0+$/, "").length);
  const [front, exponent] = value.toExponential(significant - 1).split("e") as [string, string];
  const power = Number(exponent);
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e6 && (power < significant || whole)) return value.toFixed(Math.max(0, significant - 1 - power));
  return `${front}e${power}`;
}

const mantissa = (value: number): string => Math.abs(value).toExponential(FINEST - 1).split("e")[0]!;

/** A number in running text, with a minus that is one. */
export const say = (value: number, digits = DIGITS): string => shown(value, digits).text.replaceAll("-", "−");

/** A number as it is printed in a formula. */
export const num = (value: number): string => markup(shown(value).text);
/** A setting, printed in full. */
export const setting = (value: number): string => markup(settingText(value));

/** A setting in words: 1e-5, 0.25. */
export function settingText(value: number): string {
  const size = Math.abs(value);
  return size < 1e-4 && size > 0 ? value.toExponential().replace("e+", "e") : String(value).replace("e+", "e");
}

function markup(text: string): string {
  const size = text.replace(/^-/, "");
  const [front, power] = size.split("e") as [string, string?];
  const made =
    power === undefined
      ? fill(SIGNS.number, { 0: front })
      : fill(SIGNS[power.startsWith("-") ? "power of a tenth" : "power of ten"], { 0: front, 1: power.replace("-", "") });
  return text.startsWith("-") ? SIGNS.negative.replace("<mn>⟦0⟧</mn>", made) : made;
}

export const parentheses = (inner: string): string => fill(SIGNS.parentheses, { 0: inner });
/** A factor: in parentheses where it is negative. */
export const factor = (value: number): string => (shown(value).text.startsWith("-") ? parentheses(num(value)) : num(value));
export const product = (...factors: string[]): string => factors.reduce((a, b) => fill(SIGNS.times, { 0: a, 1: b }));
export const over = (top: string, bottom: string): string => fill(SIGNS.over, { 0: top, 1: bottom });
export const root = (of: string): string => fill(SIGNS.root, { 0: of });
export const square = (of: string): string => fill(SIGNS.square, { 0: of });
export const exp = (of: string): string => fill(SIGNS.exp, { 0: of });
export const ln = (of: string): string => fill(SIGNS.ln, { 0: of });
export const minus = (a: string, b: string): string => fill(SIGNS.minus, { 0: a, 1: b });
export const plus = (a: string, b: string): string => fill(SIGNS.plus, { 0: a, 1: b });
export const equals = (a: string, b: string): string => fill(SIGNS.equals, { 0: a, 1: b });
export const gets = (a: string, b: string): string => fill(SIGNS.gets, { 0: a, 1: b });
export const DOTS = "<mo>⋯</mo>";

/** A term of a sum: its sign, and what is printed after it. */
export interface Term {
  negative: boolean;
  body: string;
}

/** c₁ · c₂ · … as a term: a minus of the first factor becomes the sum's. */
export function term(first: number, ...others: number[]): Term {
  const negative = shown(first).text.startsWith("-");
  return { negative, body: product(num(Math.abs(first)), ...others.map(factor)) };
}

const LONGEST = 8;

/** Terms with their signs; of many the first six and the last. */
export function sum(terms: Term[]): string {
  const kept: (Term | null)[] = terms.length > LONGEST ? [...terms.slice(0, 6), null, terms.at(-1)!] : terms;
  let made = "";
  kept.forEach((one, k) => {
    const body = one ? one.body : DOTS;
    const negative = one?.negative ?? false;
    if (k === 0) made = negative ? SIGNS.negative.replace("<mn>⟦0⟧</mn>", body) : body;
    else made = negative ? minus(made, body) : plus(made, body);
  });
  return made;
}

/** left = numbers ≈ result. */
export function worked(left: string, middle: string | null, result: number): string {
  const sign = shown(result).exact || middle === null ? SIGNS.equals : SIGNS.about;
  const front = middle === null ? left : equals(left, middle);
  return fill(sign, { 0: front, 1: num(result) });
}

export const mathml = (inner: string): string => `<math>${inner}</math>`;
