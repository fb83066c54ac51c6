// Runs one JavaScript peer over a list of jobs in one process: the time of a job is the peer's own, without start-up.
// stdin: {"peer": ..., "modules": folder, "jobs": [{"id", "old": file, "new": file}]}; stdout: one JSON line per job.
import {createRequire} from "node:module";
import {readFileSync} from "node:fs";
import path from "node:path";

const input = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(path.join(input.modules, "x.js"));
const read = (file) => JSON.parse(readFileSync(file, "utf8"));

const peers = {
  "openapi-diff": async () => {
    const api = require("openapi-diff");
    const spec = (file) => {
      const document = read(file);
      return {content: JSON.stringify(document), location: file, format: document.swagger ? "swagger2" : "openapi3"};
    };
    return async (job) => {
      const found = await api.diffSpecs({sourceSpec: spec(job.old), destinationSpec: spec(job.new)});
      return {forward: found.breakingDifferencesFound};
    };
  },
  "json-schema-diff": async () => {
    const api = require("json-schema-diff");
    return async (job) => {
      const found = await api.diffSchemas({sourceSchema: read(job.old), destinationSchema: read(job.new)});
      return {forward: found.removalsFound, backward: found.additionsFound};
    };
  },
  jsoncompat: async () => {
    const folder = path.join(input.modules, "jsoncompat");
    const api = await import(path.join(folder, "jsoncompat_wasm.js"));
    api.initSync({module: readFileSync(path.join(folder, "jsoncompat_wasm_bg.wasm"))});
    return async (job) => {
      const [one, other] = [readFileSync(job.old, "utf8"), readFileSync(job.new, "utf8")];
      return {
        forward: !api.check_compat(one, other, "deserializer"),
        backward: !api.check_compat(one, other, "serializer"),
      };
    };
  },
};

const log = console.log;
console.log = () => {};
const run = await peers[input.peer]();
for (const job of input.jobs) {
  const began = process.hrtime.bigint();
  let answer;
  try {
    answer = await run(job);
  } catch (error) {
    answer = {error: String(error && error.message ? error.message : error).slice(0, 200)};
  }
  log(JSON.stringify({id: job.id, seconds: Number(process.hrtime.bigint() - began) / 1e9, ...answer}));
}
