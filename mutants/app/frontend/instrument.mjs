// Puts Stryker's mutants into files of the frontend, all at once, each behind a switch that one process sets by the
// variable __STRYKER_ACTIVE_MUTANT__: node instrument.mjs FOLDER FILE … ; prints the mutants as JSON.

import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { Instrumenter } from "@stryker-mutator/instrumenter";

const [folder, ...names] = process.argv.slice(2);
const nothing = () => {};
const logger = { isDebugEnabled: () => false, debug: nothing, info: nothing, warn: nothing, error: console.error };
const options = { plugins: null, excludedMutations: [], ignorers: [], noHeader: false };

const files = await Promise.all(
  names.map(async (name) => ({ name: path.join(folder, name), mutate: true, content: await readFile(path.join(folder, name), "utf8") })),
);
const { files: changed, mutants } = await new Instrumenter(logger).instrument(files, options);
await Promise.all(changed.map(({ name, content }) => writeFile(name, `// @ts-nocheck\n${content}`)));
const found = mutants.map(({ id, fileName, mutatorName, replacement, location }) => ({
  id,
  file: path.relative(folder, fileName),
  mutator: mutatorName,
  replacement,
  start: location.start,
  end: location.end,
}));
console.log(JSON.stringify(found));
