#!/usr/bin/env node
// Stand-in for a language model, OpenAI-compatible: standard library only, deterministic, and it says in every
// answer what it is. The demo uses it when no provider's key is set; the tests steer it.
//
//   node standin-model.mjs [--port 18080] [--log requests.jsonl]
//
// Routes: GET /health, GET /v1/models, POST /v1/chat/completions,
//         GET /_requests (what it was asked), DELETE /_requests.
//
// Directives in the last user message steer the answer (first match of each kind):
//   [[say:TEXT]]            answer exactly TEXT
//   [[slow:MS]]             wait MS before the first byte
//   [[drip:N:MS]]           stream N chunks, MS apart
//   [[status:CODE]]         answer that HTTP status with an OpenAI error body (429 adds retry-after: 1)
//   [[failonce:KEY:CODE]]   answer CODE the first time KEY is seen, then normally
//   [[hang]]                accept the request and never answer
//   [[hangmid]]             send one chunk, then nothing more
//   [[cut]]                 send one chunk, then destroy the socket
//   [[garbage]]             200 with a body that is not JSON
//   [[tool:NAME:{json}]]    ask for that tool call; once a tool result follows, answer "tool said: ..."
import http from "node:http";
import fs from "node:fs";
import { parseArgs } from "node:util";
import { composeAnswer } from "./standin-answers.mjs";

const seen = new Set();
const requests = [];
let serial = 0;
let inFlight = 0;
let maxInFlight = 0;

const sleep = (ms, signal) =>
  new Promise((resolve) => {
    const t = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(t), resolve()), { once: true });
  });

const textOf = (content) => {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((p) => p?.text ?? "").join("");
};

// The last message of the user, and the text of the last tool output that follows it (or null).
function readTurn(body) {
  let user = "";
  let toolResult = null;
  for (const item of body.messages ?? []) {
    if (item.role === "user") {
      const text = textOf(item.content);
      // OpenClaw appends its own notes to a turn as a further user message.
      if (text.trimStart().startsWith("<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>")) continue;
      // It also stamps the message with a time and appends a "Runtime:" line.
      // After a transient failure it re-asks with fixed sentences; stay on the original message.
      if (user && (text.includes("Continue the current task from the existing transcript") || text.includes("<turn_aborted>"))) continue;
      user = text.replace(/^\[[A-Z][a-z]{2} \d{4}-[^\]]*\] /, "").replace(/\n\nRuntime: agent=[\s\S]*$/, "");
      toolResult = null;
    } else if (item.role === "tool") toolResult = textOf(item.content);
  }
  return { user, toolResult };
}

// A balanced-brace reader, so that the JSON arguments may hold "]]" or braces in strings.
function toolDirective(text) {
  const m = /\[\[tool:([A-Za-z0-9_-]+):(?=\{)/.exec(text);
  if (!m) return null;
  const start = m.index + m[0].length;
  let depth = 0;
  let inString = false;
  for (let i = start; i < text.length; i++) {
    const c = text[i];
    if (inString) {
      if (c === "\\") i++;
      else if (c === '"') inString = false;
    } else if (c === '"') inString = true;
    else if (c === "{") depth++;
    else if (c === "}" && --depth === 0) return { name: m[1], args: text.slice(start, i + 1) };
  }
  return null;
}

const usageFor = (promptChars, text) => {
  const p = Math.ceil(promptChars / 4);
  const c = Math.ceil(text.length / 4);
  return { p, c, t: p + c };
};

function plan(body, rawLength) {
  const { user, toolResult } = readTurn(body);
  const tool = toolDirective(user);
  const say = /\[\[say:([\s\S]*?)\]\]/.exec(user);
  const num = (re) => {
    const m = re.exec(user);
    return m ? m.slice(1).map(Number) : null;
  };
  const out = {
    user,
    slow: num(/\[\[slow:(\d+)\]\]/)?.[0] ?? 0,
    drip: num(/\[\[drip:(\d+):(\d+)\]\]/),
    status: num(/\[\[status:(\d+)\]\]/)?.[0] ?? 0,
    hang: user.includes("[[hang]]"),
    hangmid: user.includes("[[hangmid]]"),
    cut: user.includes("[[cut]]"),
    garbage: user.includes("[[garbage]]"),
    tool: null,
    text: "",
  };
  const once = /\[\[failonce:([^:\]]+):(\d+)\]\]/.exec(user);
  if (once && !seen.has(once[1])) {
    seen.add(once[1]);
    out.status = Number(once[2]);
  }
  if (tool && toolResult === null) out.tool = tool;
  else if (tool) out.text = `tool said: ${toolResult.slice(0, 2000)}`;
  else out.text = say ? say[1] : composeAnswer(user);
  out.usage = usageFor(rawLength, out.text || out.tool?.args || "");
  return out;
}

const json = (res, status, body, headers = {}) => {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(JSON.stringify(body));
};

const chunksOf = (p) => {
  if (!p.drip) return p.text.match(/[\s\S]{1,24}/g) ?? [""];
  const n = Math.max(1, p.drip[0]);
  return Array.from({ length: n }, (_, i) => `chunk${i + 1}/${n} `);
};

async function chat(res, body, p, id, signal) {
  const base = { id, created: 1700000000, model: body.model ?? "standin-1" };
  const usage = { prompt_tokens: p.usage.p, completion_tokens: p.usage.c, total_tokens: p.usage.t };
  const call = p.tool && {
    id: `call_${id.slice(-6)}`,
    type: "function",
    function: { name: p.tool.name, arguments: p.tool.args },
  };
  if (!body.stream) {
    const message = call
      ? { role: "assistant", content: null, tool_calls: [call] }
      : { role: "assistant", content: chunksOf(p).join("") };
    const choice = { index: 0, message, finish_reason: call ? "tool_calls" : "stop" };
    return json(res, 200, { ...base, object: "chat.completion", choices: [choice], usage });
  }
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  const send = (delta, finish = null, extra = {}) =>
    res.write(
      `data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }], ...extra })}\n\n`,
    );
  send({ role: "assistant", content: "" });
  if (p.hangmid) return void send({ content: "partial " });
  if (p.cut) {
    send({ content: "partial " });
    await sleep(50);
    return void res.destroy();
  }
  if (call) send({ tool_calls: [{ index: 0, ...call }] });
  else
    for (const c of chunksOf(p)) {
      if (signal.aborted) return;
      send({ content: c });
      if (p.drip) await sleep(p.drip[1], signal);
    }
  send({}, call ? "tool_calls" : "stop");
  res.write(`data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices: [], usage })}\n\n`);
  res.end("data: [DONE]\n\n");
}

async function answer(req, res, log) {
  const path = new URL(req.url, "http://x").pathname;
  if (req.method === "GET" && path === "/health") return json(res, 200, { ok: true, inFlight, maxInFlight, served: serial });
  if (path === "/_requests") {
    if (req.method === "DELETE") (requests.splice(0), (maxInFlight = inFlight));
    return json(res, 200, { maxInFlight, requests });
  }
  if (req.method === "GET" && path === "/v1/models")
    return json(res, 200, { object: "list", data: [{ id: "standin-1", object: "model", created: 1700000000, owned_by: "standin" }] });
  if (req.method !== "POST" || path !== "/v1/chat/completions")
    return json(res, 404, { error: { message: `no route ${req.method} ${path}`, type: "not_found" } });

  const parts = [];
  for await (const part of req) parts.push(part);
  const raw = Buffer.concat(parts).toString("utf8");
  let body;
  try {
    body = JSON.parse(raw);
  } catch {
    return json(res, 400, { error: { message: "bad json", type: "invalid_request_error" } });
  }
  const id = `standin${String(++serial).padStart(8, "0")}`;
  const p = plan(body, raw.length);
  const record = {
    id, at: Date.now(), path, stream: !!body.stream, bytes: raw.length,
    user: p.user.slice(-400),
    roles: (body.messages ?? []).map((m) => `${m.role}:${textOf(m.content).slice(0, 20_000)}`),
    tools: (body.tools ?? []).map((t) => t.function?.name),
    headers: Object.fromEntries(Object.entries(req.headers).filter(([k]) => k !== "authorization")),
    outcome: "open", ms: 0,
  };
  requests.push(record);
  if (requests.length > 500) requests.shift();
  inFlight++;
  maxInFlight = Math.max(maxInFlight, inFlight);
  const abort = new AbortController();
  res.on("close", () => {
    inFlight--;
    record.outcome = res.writableFinished ? "finished" : "client_gone";
    record.ms = Date.now() - record.at;
    abort.abort();
    if (log) fs.appendFileSync(log, `${JSON.stringify(record)}\n`);
  });
  if (p.slow) await sleep(p.slow, abort.signal);
  if (p.hang || abort.signal.aborted) return;
  if (p.status)
    return json(res, p.status, { error: { message: `stand-in upstream failure ${p.status}`, type: p.status === 429 ? "rate_limit_error" : "server_error", code: null } }, p.status === 429 ? { "retry-after": "1" } : {});
  if (p.garbage) return void res.writeHead(200, { "content-type": "text/plain" }).end("this is not json");
  await chat(res, body, p, id, abort.signal);
}

// Resolves to the model's URL; port 0 takes a free one.
export function startModel({ port = 0, log = "" } = {}) {
  const server = http.createServer((req, res) => void answer(req, res, log).catch(() => res.destroy()));
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });
}

if (import.meta.filename === process.argv[1]) {
  const options = { port: { type: "string", default: "18080" }, log: { type: "string", default: "" } };
  const { values } = parseArgs({ options });
  console.log(`stand-in model on ${await startModel({ port: Number(values.port), log: values.log })}`);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
}
