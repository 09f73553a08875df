// Bundles the explorer into the package, the same bytes each time: node build.mjs [--check]

import { build, transform } from "esbuild";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const target = fileURLToPath(new URL("../src/backlit/render/explorer/", import.meta.url));
const check = process.argv.includes("--check");

const styled = async ({ path }) => ({
  contents: (await transform(readFileSync(path, "utf8"), { loader: "css", minify: true })).code,
  loader: "text",
});

const made = await build({
  absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
  entryPoints: [{ in: "src/main.tsx", out: "explorer" }],
  outdir: target,
  bundle: true,
  write: false,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
  plugins: [{ name: "small css, as text", setup: (made) => made.onLoad({ filter: /\.css$/ }, styled) }],
  minify: true,
  legalComments: "inline",
});

let stale = 0;
mkdirSync(target, { recursive: true });
for (const { path, contents } of made.outputFiles) {
  const same = existsSync(path) && Buffer.from(contents).equals(readFileSync(path));
  if (same) continue;
  stale += 1;
  if (check) console.error(`${path} is not what web/ builds: run make web and commit it`);
  else writeFileSync(path, contents);
}
process.exitCode = check && stale ? 1 : 0;
