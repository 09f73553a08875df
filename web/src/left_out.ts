// What a problem file or the package can say and this page cannot; tests hold each row to what the page does.

export const LEFT_OUT: [what: string, words: string][] = [
  ["weights by a scheme", "a problem whose W is left out is drawn by Python: backlit explore opens it with its numbers written out."],
  ["records of one's own", "an activation, a loss or an optimizer that you registered in Python is not known here."],
  ["seeds of 2^53 and more", "JavaScript's numbers are whole only up to there."],
  ["large problems", "more than a million parameters, or numbers in x."],
  ["TOML and YAML", "the page opens problem files in JSON; backlit explore reads all three."],
  ["running moments", "a trained model's batch norm is opened as weights and biases that give the same outputs, with no norm."],
  ["fractions and more digits", "backlit explain --fractions and --digits have them."],
  ["batches", "each training step takes all examples; backlit train takes them in batches."],
];
