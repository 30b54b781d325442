// The Runtime API's client for functions in Node.js: finds the handler, takes events, answers.
// Like AWS's own it runs one event at a time and shares its process with the function.

import fs from "node:fs";
import http from "node:http";
import { register } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const PRELUDE_END = Buffer.alloc(8); // between the metadata of a streamed answer and its body
const api = new URL(`http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/`);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const streamed = Symbol("streamed");
let requestId = "";

globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [streamed]: true }),
  HttpResponseStream: {
    from(stream, metadata) {
      stream.setContentType("application/vnd.awslambda.http-integration-response");
      stream.write(Buffer.concat([Buffer.from(JSON.stringify(metadata)), PRELUDE_END]));
      return stream;
    },
  },
};

function ask(method, place, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
    const request = http.request(new URL(place, api), { method, agent, headers: { ...headers, ...length } });
    request.on("error", reject);
    request.on("response", (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
      response.on("error", reject);
    });
    request.end(body);
  });
}

// AWS's runtimes have its SDK; this one is the machine's or a distribution's Node.js.
function hint(error) {
  if (!/MODULE_NOT_FOUND$/.test(error.code ?? "")) return "";
  const named = /'(@(?:aws-sdk|smithy)\/[^'/]+|aws-sdk)/.exec(error.message)?.[1];
  return named ? ` (no AWS SDK comes with Node.js here: npm install ${named} into the code or a layer)` : "";
}

function described(error) {
  if (error instanceof Error) {
    const trace = (error.stack ?? "").split("\n");
    return { errorType: error.name, errorMessage: error.message + hint(error), trace };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

async function tellFailed(place, error) {
  const told = described(error);
  const headers = { "Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": told.errorType };
  await ask("POST", place, JSON.stringify(told), headers);
}

// Each line with its time, the request and the level, as AWS's runtime writes them.
function logByLines() {
  const levels = { log: "INFO", info: "INFO", debug: "DEBUG", warn: "WARN", error: "ERROR", trace: "TRACE" };
  for (const [name, level] of Object.entries(levels)) {
    console[name] = (...values) => {
      const said = format(...values).replaceAll("\n", "\r");
      const id = requestId || "undefined";
      process.stdout.write(`${new Date().toISOString()}\t${id}\t${level}\t${said}\n`);
    };
  }
}

class HandlerMissing extends Error {
  constructor(type, message) {
    super(message);
    this.name = `Runtime.${type}`;
  }
}

// `import` looks for packages beside the file and above it; in the layers, as `require` does, too.
function lookInLayers() {
  const folders = (process.env.NODE_PATH ?? "").split(path.delimiter);
  const parents = folders
    .filter((folder) => path.basename(folder) === "node_modules" && fs.existsSync(folder))
    .map((folder) => pathToFileURL(path.join(path.dirname(folder), "any.mjs")).href);
  if (!parents.length) return;
  const hook = `
    export async function resolve(name, context, next) {
      let missing;
      for (const parentURL of [context.parentURL, ...${JSON.stringify(parents)}]) {
        try {
          return await next(name, { ...context, parentURL });
        } catch (error) {
          if (error.code !== "ERR_MODULE_NOT_FOUND" || /^[./]|^[a-z]+:/.test(name)) throw error;
          missing ??= error;
        }
      }
      throw missing;
    }`;
  register(`data:text/javascript,${encodeURIComponent(hook)}`);
}

async function findHandler(named) {
  const slash = named.lastIndexOf("/");
  const dot = named.indexOf(".", slash + 1);
  if (dot < 0) throw new HandlerMissing("MalformedHandlerName", `Bad handler: ${named}`);
  const place = path.resolve(process.env.LAMBDA_TASK_ROOT, named.slice(0, dot));
  const file = [".js", ".mjs", ".cjs"].map((end) => place + end).find((one) => fs.existsSync(one));
  if (!file) {
    const name = path.basename(place);
    throw new HandlerMissing("ImportModuleError", `Error: Cannot find module '${name}'`);
  }
  const module = await import(pathToFileURL(file).href);
  let found = undefined;
  for (const from of [module, module.default]) {
    found ??= named.slice(dot + 1).split(".").reduce((value, name) => value?.[name], from);
  }
  if (typeof found !== "function") {
    const kind = found === undefined ? "HandlerNotFound" : "InvalidHandler";
    throw new HandlerMissing(kind, `${named} is undefined or not exported`);
  }
  return found;
}

function contextOf(headers) {
  const env = process.env;
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const read = (name) => (headers[name] ? JSON.parse(headers[name]) : undefined);
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    callbackWaitsForEmptyEventLoop: true,
    clientContext: read("lambda-runtime-client-context"),
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    identity: read("lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

// What a handler came to: of a promise, or by the old way of a callback.
function called(handler, event, context) {
  return new Promise((resolve, reject) => {
    const callback = (error, value) => (error ? reject(error) : resolve(value));
    Object.assign(context, {
      done: callback,
      fail: (error) => reject(error ?? new Error("handled")),
      succeed: resolve,
    });
    const answer = handler(event, context, callback);
    if (typeof answer?.then === "function") answer.then(resolve, reject);
    else if (handler.length < 3 && answer !== undefined) resolve(answer);
    else if (handler.length < 3) setImmediate(endWhenIdle, resolve);
  });
}

// A handler without callback and promise may still call context.succeed from what it has begun.
function endWhenIdle(resolve) {
  process.once("beforeExit", () => resolve(null));
}

// The whole of what was streamed: answers arrive as one here.
async function calledStreaming(handler, event, context) {
  const { PassThrough } = await import("node:stream");
  const stream = new PassThrough();
  const parts = [];
  let type = "application/octet-stream";
  stream.setContentType = (named) => (type = named);
  stream.on("data", (part) => parts.push(part));
  const ended = new Promise((resolve, reject) => stream.on("end", resolve).on("error", reject));
  await handler(event, stream, context);
  await ended;
  return { body: Buffer.concat(parts), type };
}

async function answerOne(handler) {
  const next = await ask("GET", "invocation/next");
  requestId = next.headers["lambda-runtime-aws-request-id"];
  const trace = next.headers["lambda-runtime-trace-id"];
  if (trace) process.env._X_AMZN_TRACE_ID = trace;
  else delete process.env._X_AMZN_TRACE_ID;
  const place = `invocation/${requestId}`;
  try {
    const event = JSON.parse(next.body.toString());
    const context = contextOf(next.headers);
    if (handler[streamed]) {
      const { body, type } = await calledStreaming(handler, event, context);
      await ask("POST", `${place}/response`, body, { "Content-Type": type });
      return;
    }
    const value = await called(handler, event, context);
    const body = JSON.stringify(value === undefined ? null : value);
    await ask("POST", `${place}/response`, body, { "Content-Type": "application/json" });
  } catch (error) {
    console.error("Invoke Error", JSON.stringify(described(error)));
    await tellFailed(`${place}/error`, error);
  }
}

async function main() {
  logByLines();
  let handler;
  try {
    lookInLayers();
    handler = await findHandler(process.env._HANDLER);
  } catch (error) {
    console.error("Uncaught Exception", JSON.stringify(described(error)));
    await tellFailed("init/error", error);
    process.exit(1);
  }
  for (const kind of ["uncaughtException", "unhandledRejection"]) {
    process.on(kind, async (error) => {
      console.error("Uncaught Exception", JSON.stringify(described(error)));
      await tellFailed(requestId ? `invocation/${requestId}/error` : "init/error", error);
      process.exit(1);
    });
  }
  for (;;) await answerOne(handler);
}

await main();
