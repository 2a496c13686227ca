#!/usr/bin/env node
// Runs one OpenClaw Gateway, and the stand-in model unless a provider's key is set, until it is told to stop.
//
//   supervisor.mjs INSTALL_DIR RUN_DIR          (start.sh calls it and describes the environment it reads)
//
// RUN_DIR/status tells how far it is: "starting …", "warming agent …", "ready: …" or "failed: …".
// The gateway ends with this process: on SIGTERM in order, else through guard.mjs.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startModel } from "./standin-model.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const [INSTALL, RUN] = process.argv.slice(2);
const ENV = process.env;
const STOP_GRACE_MS = 6_000;
const WARM_UP_MS = 150_000;
const PORT_TRIES = 3;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const inRun = (name) => path.join(RUN, name);

// Readers poll these files: write beside, then rename.
function publish(name, text) {
  fs.writeFileSync(inRun(`${name}.new`), text, { mode: 0o600 });
  fs.renameSync(inRun(`${name}.new`), inRun(name));
}
const status = (text) => publish("status", text);

// === the model ===

function chosenProvider() {
  for (const name of ["openai", "anthropic"]) {
    const provider = JSON.parse(fs.readFileSync(path.join(HERE, `provider-${name}.json`), "utf8"));
    if (ENV[provider.key]) return { ...provider, name, model: ENV.COUNTERSIGN_MODEL || provider.model };
  }
  return null;
}

// Puts the provider's model in the stand-in's place. The key stays in the environment; the file only names it.
function useProvider(config, { name, provider, model }) {
  const filled = JSON.parse(JSON.stringify(provider).replaceAll("__MODEL__", model));
  config.models.providers = { [`${name}-api`]: filled };
  config.agents.defaults.model.primary = `${name}-api/${model}`;
  config.agents.defaults.timeoutSeconds = 300;
}

// === the gateway ===

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function writeConfig(port, token, provider, modelUrl) {
  const template = ENV.OPENCLAW_CONFIG || path.join(HERE, "openclaw.json");
  const config = JSON.parse(fs.readFileSync(template, "utf8"));
  config.gateway.port = port;
  config.gateway.auth.token = token;
  config.agents.defaults.workspace = inRun("state/workspace");
  config.logging.file = inRun("gateway.jsonl");
  // Further agents, for those who mean it: what is shipped has one, without tools.
  if (ENV.OPENCLAW_AGENTS) Object.assign(config.agents.entries, JSON.parse(fs.readFileSync(ENV.OPENCLAW_AGENTS, "utf8")));
  if (provider) useProvider(config, provider);
  else config.models.providers.standin.baseUrl = `${modelUrl}/v1`;
  publish("openclaw.json", `${JSON.stringify(config, null, 2)}\n`);
  return Object.keys(config.agents.entries);
}

// A home and a state folder of its own keep the gateway away from the user's; the switches turn off what would
// leave this machine. Only a provider's key and the way to reach it are let through.
function gatewayEnvironment(provider) {
  const home = inRun("home");
  const passed = provider ? [provider.key, "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS"] : [];
  const kept = passed.filter((name) => ENV[name]).map((name) => [name, ENV[name]]);
  return {
    PATH: `${path.dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
    LANG: "C.UTF-8",
    HOME: home,
    TMPDIR: inRun("tmp"),
    OPENCLAW_HOME: home,
    OPENCLAW_STATE_DIR: inRun("state"),
    OPENCLAW_CONFIG_PATH: inRun("openclaw.json"),
    OPENCLAW_DISABLE_BONJOUR: "1",
    OPENCLAW_NO_RESPAWN: "1",
    OPENCLAW_EXEC_SHELL_SNAPSHOT: "0",
    OPENCLAW_SKIP_CHANNELS: "1",
    OPENCLAW_NO_AUTO_UPDATE: "1",
    DO_NOT_TRACK: "1",
    CLAWHUB_DISABLE_TELEMETRY: "1",
    NO_COLOR: "1",
    ...Object.fromEntries(kept),
  };
}

function spawnGateway(provider) {
  const preloads = ["guard.mjs", ...(provider ? [] : ["loopback-only.mjs"])];
  const entry = path.join(INSTALL, "node_modules/openclaw/openclaw.mjs");
  const args = [...preloads.flatMap((file) => ["--import", path.join(HERE, file)]), entry, "gateway"];
  const log = fs.openSync(inRun("gateway.log"), "w", 0o600);
  const child = spawn(process.execPath, args, { env: gatewayEnvironment(provider), cwd: RUN, stdio: ["ignore", log, log], detached: true });
  fs.closeSync(log);
  publish("gateway.pid", String(child.pid));
  return child;
}

async function answersOk(url, headers = {}) {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

// Only our own gateway knows the token: a stranger's on the same port does not count.
async function isReady(url, token) {
  return (await answersOk(`${url}/readyz`)) && (await answersOk(`${url}/v1/models`, { authorization: `Bearer ${token}` }));
}

// Two starters can be given the same free port; the one that loses takes another.
async function startGateway(token, provider, modelUrl) {
  for (let attempt = 1; ; attempt++) {
    const port = Number(ENV.GATEWAY_PORT) || (await freePort());
    const agents = writeConfig(port, token, provider, modelUrl);
    const url = `http://127.0.0.1:${port}`;
    gateway = spawnGateway(provider);
    status("starting (30 to 60 s)");
    while (gateway.exitCode === null && gateway.signalCode === null) {
      if (await isReady(url, token)) return { url, agents };
      await sleep(200);
    }
    const log = fs.readFileSync(inRun("gateway.log"), "utf8");
    const portTaken = /EADDRINUSE|already (in use|listening)/i.test(log);
    if (!portTaken || ENV.GATEWAY_PORT || attempt === PORT_TRIES)
      throw new Error(`the gateway ended with exit code ${gateway.exitCode} before it was ready`);
  }
}

// The first turn of an agent loads much code; better now than within somebody's deadline.
async function warmUp(url, token, agents) {
  for (const agent of agents) {
    status(`warming agent ${agent} (10 to 30 s)`);
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ model: `openclaw/${agent}`, messages: [{ role: "user", content: "Answer with the one word: ready" }] }),
      signal: AbortSignal.timeout(WARM_UP_MS),
    });
    const body = await response.text();
    if (response.status !== 200) throw new Error(`agent ${agent} did not answer its first turn: HTTP ${response.status} ${body}`);
  }
}

// === life ===

let gateway = null;
let stopping = false;

async function stop(code) {
  if (stopping) return;
  stopping = true;
  if (gateway && gateway.exitCode === null && gateway.signalCode === null) {
    const ended = new Promise((resolve) => gateway.once("exit", resolve));
    gateway.kill("SIGTERM");
    await Promise.race([ended, sleep(STOP_GRACE_MS)]);
    gateway.kill("SIGKILL");
  }
  fs.rmSync(inRun("gateway.pid"), { force: true });
  fs.rmSync(inRun("supervisor.pid"), { force: true });
  process.exit(code);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function watch() {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => void stop(0));
  const lifetime = Number(ENV.MAX_LIFETIME_S) || 0;
  if (lifetime) setTimeout(() => (console.log(`stopping: ${lifetime} s are over`), void stop(0)), lifetime * 1_000);
  const parent = Number(ENV.PARENT_PID) || 0;
  if (parent)
    setInterval(() => {
      if (isAlive(parent)) return;
      console.log(`stopping: process ${parent} is gone`);
      void stop(0);
    }, 1_000);
}

async function main() {
  fs.mkdirSync(inRun("state/workspace"), { recursive: true });
  for (const folder of ["home", "tmp"]) fs.mkdirSync(inRun(folder), { recursive: true });
  publish("supervisor.pid", String(process.pid));
  watch();
  const provider = chosenProvider();
  let modelUrl = null;
  if (!provider) {
    modelUrl = await startModel({ port: 0, log: inRun("model-requests.jsonl") });
    publish("model.url", modelUrl);
  }
  const token = randomBytes(24).toString("base64url");
  publish("gateway.token", token);
  const { url, agents } = await startGateway(token, provider, modelUrl);
  if (ENV.WARM !== "0") await warmUp(url, token, provider ? agents.slice(0, 1) : agents);
  publish("gateway.url", url);
  status(`ready: ${provider ? `model ${provider.model} (${provider.name})` : "stand-in model (no provider key is set)"}`);
  gateway.once("exit", (code, signal) => {
    if (stopping) return;
    status(`failed: the gateway ended unexpectedly (${signal ?? `exit code ${code}`})`);
    void stop(1);
  });
}

try {
  await main();
} catch (error) {
  console.error(error);
  status(`failed: ${error.message}`);
  await stop(1);
}
