// Asks GitHub's own @actions/expressions: one JSON case a line in, one JSON answer a line out.
// Run in a folder where `npm install @actions/expressions@0.3.61` was done.
import {pathToFileURL} from "node:url";
import readline from "node:readline";

const installed = pathToFileURL(process.cwd() + "/node_modules/@actions/expressions/dist/index.js");
const {data, Evaluator, Lexer, Parser} = await import(installed);

function toData(value) {
  if (value === null) return new data.Null();
  if (typeof value === "string") return new data.StringData(value);
  if (typeof value === "number") return new data.NumberData(value);
  if (typeof value === "boolean") return new data.BooleanData(value);
  if (Array.isArray(value)) return new data.Array(...value.map(toData));
  return new data.Dictionary(...Object.entries(value).map(([key, inner]) => ({key, value: toData(inner)})));
}

function fromData(found) {
  switch (found.kind) {
    case data.Kind.Null:
      return ["Null"];
    case data.Kind.Boolean:
      return ["Boolean", found.value];
    case data.Kind.Number:
      return ["Number", Object.is(found.value, -0) ? "-0" : String(found.value)];
    case data.Kind.String:
      return ["String", found.value];
    case data.Kind.Array:
      return ["Array", found.values().map(fromData)];
    default:
      return ["Object", found.pairs().map(({key, value}) => [key, fromData(value)])];
  }
}

for await (const line of readline.createInterface({input: process.stdin})) {
  const {expression, contexts} = JSON.parse(line);
  let answer;
  let stage = "lexing";
  try {
    const {tokens} = new Lexer(expression).lex();
    stage = "parsing";
    const tree = new Parser(tokens, Object.keys(contexts), []).parse();
    stage = "evaluation";
    const value = tree === undefined ? new data.Null() : new Evaluator(tree, toData(contexts)).evaluate();
    answer = {value: fromData(value), text: value.coerceString()};
  } catch (error) {
    const place = error.pos ? `. Located at position ${error.pos.column + 1} within expression: ${expression}` : "";
    answer = {stage, error: error.message + place};
  }
  console.log(JSON.stringify(answer));
}
