// CSV, read in the page: rows of inputs and then targets, or a class.

import { fail } from "./core/checks";

/** The rows of a text; a first line of names is skipped.  Throws an Error of one sentence. */
export function readCsv(text: string, inputs: number, outputs: number, classes: boolean): { x: number[][]; y: number[][] } {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
  const cells = lines.map((line) => line.split(/[,;\t]/).map((cell) => Number(cell.trim() || NaN)));
  const rows = cells[0]?.some(Number.isNaN) ? cells.slice(1) : cells;
  const wanted = [inputs + outputs, ...(classes && outputs > 1 ? [inputs + 1] : [])];
  if (!rows.length) fail("the CSV has no rows of numbers: give a row a line, such as 0.5,1,0");
  rows.forEach((row, i) => {
    if (!wanted.includes(row.length) || row.some((v) => !Number.isFinite(v)))
      fail(`row ${i + 1} of the CSV must be ${wanted.join(" or ")} numbers, not ${lines[i + (cells.length - rows.length)]!.slice(0, 40)}`);
  });
  return {
    x: rows.map((row) => row.slice(0, inputs)),
    y: rows.map((row) => {
      const targets = row.slice(inputs);
      if (targets.length === outputs) return targets;
      if (!(Number.isInteger(targets[0]) && targets[0]! >= 0 && targets[0]! < outputs)) fail(`a class of the CSV is ${targets[0]}, but classes go from 0 to ${outputs - 1}`);
      return Array.from({ length: outputs }, (_, k) => (k === targets[0] ? 1 : 0));
    }),
  };
}
