// Puts Stryker's mutants into files of the frontend, all at once, each behind a switch that one process sets by the
// variable __STRYKER_ACTIVE_MUTANT__: node instrument.mjs FOLDER FILE … ; prints the mutants as JSON.

import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { Instrumenter } from "@stryker-mutator/instrumenter";

const [folder, ...names] = process.argv.slice(2);
const nothing = () => {};
const logger = { isDebugEnabled: () => false, debug: nothing, info: nothing, warn: nothing, error: console.error };
const options = { plugins: null, excludedMutations: [], ignorers: [], noHeader: false };

// What Next reads without running the file.
const SETTING = /^export const (dynamic|dynamicParams|fetchCache|maxDuration|preferredRegion|revalidate|runtime)\b/;

/** The lines that may be mutated, as ranges whose lines and columns start at 0. */
function ranges(content) {
  const lines = content.split("\n");
  const free = lines.flatMap((text, line) => (SETTING.test(text) ? [] : [line]));
  const starts = free.filter((line) => !free.includes(line - 1));
  const ends = free.filter((line) => !free.includes(line + 1));
  return starts.map((line, n) => ({
    start: { line, column: 0 },
    end: { line: ends[n], column: lines[ends[n]].length },
  }));
}

const files = await Promise.all(
  names.map(async (name) => {
    const content = await readFile(path.join(folder, name), "utf8");
    return { name: path.join(folder, name), mutate: ranges(content), content };
  }),
);
const { files: changed, mutants } = await new Instrumenter(logger).instrument(files, options);
await Promise.all(changed.map(({ name, content }) => writeFile(name, `// @ts-nocheck\n${content.replace(/^\/\/ @ts-check$/m, "//")}`)));
const found = mutants.map(({ id, fileName, mutatorName, replacement, location }) => ({
  id,
  file: path.relative(folder, fileName),
  mutator: mutatorName,
  replacement,
  start: location.start,
  end: location.end,
}));
console.log(JSON.stringify(found));
