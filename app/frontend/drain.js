// @ts-check
// Preloaded (node --require ./drain.js): ends the process without losing a request.
//
// At SIGTERM the pod is still in Endpoints somewhere, and clients still hold idle keep-alive connections on
// which a request may already be under way. So for DRAIN_SECONDS the listener stays open, requests on open
// connections are answered, and every response says `Connection: close`, which moves the clients away. Only
// then are the listener and the connections left over closed; the process ends with the last response.
// DRAIN_SECONDS must outlast endpoint lag and a client's pause between requests; with the preStop sleep it
// must stay under the pod's grace period.
//
// NEXT_MANUAL_SIG_HANDLE=true keeps Next from closing idle connections at once.

const { subscribe } = require("node:diagnostics_channel");

/** @typedef {{ response: import("node:http").ServerResponse, server: import("node:http").Server }} Started */

const drainMilliseconds = Number(process.env.DRAIN_SECONDS ?? 5) * 1000;
/** @type {Set<import("node:http").ServerResponse>} */
const unanswered = new Set();
/** @type {import("node:http").Server | undefined} */
let server;
let draining = false;
let drained = false;

subscribe("http.server.request.start", (message) => {
  const started = /** @type {Started} */ (message);
  server = started.server;
  unanswered.add(started.response);
  started.response.once("close", () => {
    unanswered.delete(started.response);
    exitIfDone();
  });
  if (draining) lastOnItsConnection(started.response);
});

/** @param {import("node:http").ServerResponse} response */
function lastOnItsConnection(response) {
  if (!response.headersSent) response.setHeader("Connection", "close");
}

function drain() {
  if (draining) return;
  draining = true;
  unanswered.forEach(lastOnItsConnection);
  setTimeout(() => {
    drained = true;
    server?.close();
    exitIfDone();
  }, drainMilliseconds);
}

// Not when all connections are closed: a browser keeps spare ones on which no request ever comes.
function exitIfDone() {
  if (drained && unanswered.size === 0) process.exit(0);
}

process.on("SIGTERM", drain);
process.on("SIGINT", drain);
