// @ts-check
// Preloaded (node --require ./drain.js): graceful shutdown that drops no request.
//
// When SIGTERM arrives, some nodes may still route to the pod, and clients hold idle keep-alive connections on which a
// request may already be on its way. Therefore the listener stays open for DRAIN_SECONDS, requests on open connections
// are answered, and every response has `Connection: close`, so that clients reconnect to another pod. Then the process
// exits as soon as no new requests arrive.
// DRAIN_SECONDS must be longer than the propagation of endpoints and the clients' pauses between requests; together
// with the preStop hook it must be shorter than the pod's grace period.
//
// NEXT_MANUAL_SIG_HANDLE=true prevents Next from closing idle connections immediately.

const { subscribe } = require("node:diagnostics_channel");

/** @typedef {{ response: import("node:http").ServerResponse }} Started */

const drainMilliseconds = Number(process.env.DRAIN_SECONDS ?? 4) * 1000;
const TICK_MILLISECONDS = 100;
const IDLE_TICKS = 10;
// Limits the wait for clients that send requests to the pod's address indefinitely.
const MAX_TICKS = 100;
/** @type {Set<import("node:http").ServerResponse>} */
const unanswered = new Set();
let started = 0;
let draining = false;

subscribe("http.server.request.start", (message) => {
  const { response } = /** @type {Started} */ (message);
  started += 1;
  unanswered.add(response);
  response.once("close", () => unanswered.delete(response));
  if (draining) closeAfterResponse(response);
});

/** @param {import("node:http").ServerResponse} response */
function closeAfterResponse(response) {
  if (!response.headersSent) response.setHeader("Connection", "close");
}

function drain() {
  if (draining) return;
  draining = true;
  unanswered.forEach(closeAfterResponse);
  setTimeout(exitWhenIdle, drainMilliseconds);
}

// A busy process may have unread requests, also on connections that it has not accepted yet (it accepts one per turn of
// the event loop); exiting after the last known response would reset them. A tick is longer than one turn.
// It does not wait for all connections to close, because browsers keep spare connections without requests.
function exitWhenIdle() {
  let seen = started;
  let idleTicks = 0;
  let ticks = 0;
  setInterval(() => {
    ticks += 1;
    idleTicks = unanswered.size === 0 && started === seen ? idleTicks + 1 : 0;
    seen = started;
    if (idleTicks === IDLE_TICKS || (ticks >= MAX_TICKS && unanswered.size === 0)) process.exit(0);
  }, TICK_MILLISECONDS);
}

process.on("SIGTERM", drain);
process.on("SIGINT", drain);
