// Checks of values that come from outside: each gives the value back, or throws an Error of one sentence.

export class ProblemError extends Error {}

export function fail(message: string): never {
  throw new ProblemError(message);
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value as JSON would write it, cut to 40 characters. */
export function short(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 40 ? text : text.slice(0, 37) + "...";
}

export interface Range {
  low?: number;
  high?: number;
  lowOpen?: boolean;
  highOpen?: boolean;
}

export function number(value: unknown, what: string, range: Range = {}): number {
  const { low = -Infinity, high = Infinity, lowOpen = false, highOpen = false } = range;
  const inside =
    typeof value === "number" &&
    Number.isFinite(value) &&
    (lowOpen ? value > low : value >= low) &&
    (highOpen ? value < high : value <= high);
  if (inside) return value;
  const bounds = [
    low > -Infinity && `${lowOpen ? "above" : "at least"} ${low}`,
    high < Infinity && `${highOpen ? "below" : "at most"} ${high}`,
  ].filter(Boolean);
  return fail(`${what} must be a finite number${bounds.length ? " " + bounds.join(" and ") : ""}, not ${short(value)}`);
}

export function whole(value: unknown, what: string, low: number): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= low) return value;
  return fail(`${what} must be a whole number from ${low} to 2^53, not ${short(value)}`);
}

export function flag(value: unknown, what: string): boolean {
  return typeof value === "boolean" ? value : fail(`${what} must be true or false, not ${short(value)}`);
}

export function numbers(value: unknown, what: string, length?: number): Float64Array {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length))
    fail(`${what} must be a list of ${length ?? ""} numbers, not ${short(value)}`.replace("  ", " "));
  return Float64Array.from(value as unknown[], (v, k) => number(v, `${what}[${k}]`));
}

export function rows(value: unknown, what: string, width: number): number[][] {
  if (!Array.isArray(value)) return fail(`${what} must be rows of ${width} numbers, not ${short(value)}`);
  return value.map((row, i) => Array.from(numbers(row, `${what}[${i}]`, width)));
}

export function oneOf<T extends string>(value: unknown, what: string, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  return fail(`${what} is ${short(value)}: ${near(String(value), choices)}`);
}

/** What to write in place of a name that is not known. */
export function near(name: string, known: readonly string[]): string {
  const closest = known.map((one) => [distance(name, one), one] as const).sort((a, b) => a[0] - b[0])[0];
  if (closest && closest[0] <= 2) return `did you mean ${closest[1]}?`;
  return `choose one of ${known.join(", ")}`;
}

/** How many letters must be put in, taken out or changed. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Infinity;
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(last[j]! + 1, next[j - 1]! + 1, last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    last = next;
  }
  return last[b.length]!;
}

/** No key that is not named. */
export function onlyKeys(value: Record<string, unknown>, what: string, known: readonly string[]): void {
  for (const key of Object.keys(value))
    if (!known.includes(key)) fail(`${what}${key}: unknown key: ${near(key, known)}`);
}

/** A name, or {name, …parameters}; of each name the parameters are known, with their defaults. */
export function spec(
  value: unknown,
  kind: string,
  known: Record<string, Record<string, unknown>>,
): [string, Record<string, unknown>] {
  const given = typeof value === "string" ? { name: value } : value;
  if (!isObject(given) || typeof given.name !== "string")
    return fail(`${kind} must be a name or {"name": ...}, not ${short(value)}`);
  const { name, ...parameters } = given as { name: string };
  if (!Object.hasOwn(known, name)) fail(`unknown ${kind} ${short(name)}: ${near(name, Object.keys(known))}`);
  onlyKeys(parameters, `${kind} ${name}: `, Object.keys(known[name]!));
  return [name, { ...known[name], ...parameters }];
}
