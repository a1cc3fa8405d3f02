// Asks GitHub's own @actions/workflow-parser what is wrong with a workflow: one JSON text a line in, problems out.
// Run in a folder where `npm install @actions/workflow-parser@0.3.61` was done. The package imports JSON files in a way
// that Node no longer takes without an attribute, which the hook adds.
import {register} from "node:module";
import {pathToFileURL} from "node:url";
import readline from "node:readline";

const hook = `export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  return found.url.endsWith(".json") ? {...found, importAttributes: {type: "json"}} : found;
}
export async function load(url, context, next) {
  return next(url, url.endsWith(".json") ? {...context, importAttributes: {type: "json"}} : context);
}`;
register("data:text/javascript," + encodeURIComponent(hook));
const installed = pathToFileURL(process.cwd() + "/node_modules/@actions/workflow-parser/dist/index.js");
const {convertWorkflowTemplate, parseWorkflow} = await import(installed);
const trace = {error() {}, verbose() {}, info() {}};

for await (const line of readline.createInterface({input: process.stdin})) {
  const {context, value} = parseWorkflow({name: "workflow.yml", content: JSON.parse(line)}, trace);
  if (value && context.errors.getErrors().length === 0) {
    await convertWorkflowTemplate(context, value, undefined, {errorPolicy: 1});
  }
  const problems = context.errors.getErrors().map((error) => {
    const start = error.range?.start;
    return [start?.line ?? 0, start?.column ?? 0, error.rawMessage ?? error.message];
  });
  console.log(JSON.stringify(problems));
}
