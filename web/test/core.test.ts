import { describe, expect, test } from "vitest";
import { erfc, normalCdf } from "../src/core/special";
import { dropoutMask, philox } from "../src/core/philox";
import { near, ProblemError } from "../src/core/checks";
import { norm, clip } from "../src/core/optimizers";
import { read, write } from "../src/core/problem";
import { quantities } from "../src/core/training";
import { readCsv } from "../src/csv";
import { say } from "../src/mathml";

const worked = {
  inputs: 2,
  layers: [
    { units: 2, activation: "sigmoid", W: [[0.1, -0.2], [0.4, 0.3]], b: [0, 0.1] },
    { units: 1, activation: "identity", W: [[0.2, -0.5]], b: [0] },
  ],
  loss: "half_squared_error",
  x: [[1, 2]],
  y: [[1]],
  optimizer: { name: "sgd", learning_rate: 0.5 },
};

describe("special functions", () => {
  test.each([[0, 1], [0.5, 0.4795001221869535], [-1, 1.842700792949715], [2, 0.004677734981047266], [6, 2.1519736712498913e-17]])(
    "erfc(%f)", (x, right) => expect(Math.abs(erfc(x) / right - 1)).toBeLessThan(1e-15 * 4));
  test("the normal distribution's tail keeps its digits", () => expect(normalCdf(-10) / 7.61985302416052e-24).toBeCloseTo(1, 12));
});

describe("dropout", () => {
  test("Philox of Salmon et al.'s known answers", () =>
    expect(philox([0n, 0n, 0n, 0n], [0n, 0n])).toEqual([0x16554d9eca36314cn, 0xdb20fe9d672d0fdcn, 0xd7e772cee186176bn, 0x7e68b68aec7ba23bn]));
  test("a mask is 0 or 1/(1 − p)", () => expect(new Set(dropoutMask(3, 0, 1, 20, 4, 0.25).d)).toEqual(new Set([0, 1 / 0.75])));
});

describe("problems", () => {
  test("the worked example", () => {
    const found = quantities(read(worked)) as { loss: number; delta: Record<string, number[][]> };
    expect(found.loss).toBeCloseTo(0.8320739376184245, 15);
    expect(found.delta["1"]![0]![0]).toBeCloseTo(-0.0630711516577161, 15);
  });
  test("what is written is what was read", () => expect(write(read(write(read(worked))))).toEqual(write(read(worked))));
  test.each([
    [{ ...worked, los: 1 }, /los: unknown key: did you mean loss\?/],
    [{ ...worked, y: [[Infinity]] }, /y\[0\]\[0\] must be a finite number/],
    [{ ...worked, layers: [] }, /at least one layer/],
    [{ ...worked, layers: [{ units: 1, W: [[1, 2, 3]] }] }, /layers\[0\]\.W\[0\] must be a list of 2 numbers/],
    [{ ...worked, optimizer: { name: "adma" } }, /did you mean adam\?/],
    ["text", /a problem is a table of fields/],
  ])("%# is refused in a sentence", (problem, said) => {
    expect(() => read(problem)).toThrow(ProblemError);
    expect(() => read(problem)).toThrow(said);
  });
});

describe("optimizers", () => {
  test("a norm neither overflows nor vanishes", () => {
    expect(norm(Float64Array.of(3e200, 4e200))).toBeCloseTo(5e200, -190);
    expect(norm(Float64Array.of(3e-200, 4e-200)) / 5e-200).toBeCloseTo(1, 12);
  });
  test("clipping keeps the direction, then bounds entries", () => {
    expect(Array.from(clip(Float64Array.of(3, 4), 1, null))).toEqual([0.6000000000000001, 0.8]);
    expect(Array.from(clip(Float64Array.of(3, -4), null, 1))).toEqual([1, -1]);
  });
});

describe("text", () => {
  test.each([[0.1 + 0.2, "0.3"], [-1 / 3, "−0.33333"], [2e-7 / 3, "6.6667e−8"], [1234567, "1.2346e6"], [123456.7, "1.2346e5"], [0, "0"]])(
    "%f", (value, right) => expect(say(value)).toBe(right));
  test("the nearest name", () => expect(near("sigmid", ["tanh", "sigmoid"])).toBe("did you mean sigmoid?"));
  test("CSV with a line of names, classes, and a wrong row", () => {
    expect(readCsv("a,b,c\n1,2,0\n3,4,1", 2, 2, true)).toEqual({ x: [[1, 2], [3, 4]], y: [[1, 0], [0, 1]] });
    expect(() => readCsv("1,2,x", 2, 1, false)).toThrow(/no rows|row 1/);
    expect(() => readCsv("1,2,3\n1,<b>,3", 2, 1, false)).toThrow(/row 2/);
  });
});
