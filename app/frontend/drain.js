// @ts-check
// Preloaded (node --require ./drain.js): ends the process without losing a request.
//
// At SIGTERM the pod is still in Endpoints somewhere, and clients still hold idle keep-alive connections on
// which a request may already be under way. So for DRAIN_SECONDS the listener stays open, requests on open
// connections are answered, and every response says `Connection: close`, which moves the clients away. The
// process ends then, as soon as it is quiet.
// DRAIN_SECONDS must outlast endpoint lag and a client's pause between requests; with the preStop sleep it
// must stay under the pod's grace period.
//
// NEXT_MANUAL_SIG_HANDLE=true keeps Next from closing idle connections at once.

const { subscribe } = require("node:diagnostics_channel");

/** @typedef {{ response: import("node:http").ServerResponse }} Started */

const drainMilliseconds = Number(process.env.DRAIN_SECONDS ?? 5) * 1000;
const TICK_MILLISECONDS = 100;
const QUIET_TICKS = 10;
// Somebody who knows the pod's address may go on asking for ever.
const MOST_TICKS = 100;
/** @type {Set<import("node:http").ServerResponse>} */
const unanswered = new Set();
let started = 0;
let draining = false;

subscribe("http.server.request.start", (message) => {
  const { response } = /** @type {Started} */ (message);
  started += 1;
  unanswered.add(response);
  response.once("close", () => unanswered.delete(response));
  if (draining) lastOnItsConnection(response);
});

/** @param {import("node:http").ServerResponse} response */
function lastOnItsConnection(response) {
  if (!response.headersSent) response.setHeader("Connection", "close");
}

function drain() {
  if (draining) return;
  draining = true;
  unanswered.forEach(lastOnItsConnection);
  setTimeout(endWhenQuiet, drainMilliseconds);
}

// A busy process has requests that it has not read, on connections too that it has not accepted (one in a turn of
// the event loop): ending with the last response it knows of would reset them. Between two ticks is a whole turn.
// Not when all connections are closed: a browser keeps spare ones on which no request ever comes.
function endWhenQuiet() {
  let seen = started;
  let quietTicks = 0;
  let ticks = 0;
  setInterval(() => {
    ticks += 1;
    quietTicks = unanswered.size === 0 && started === seen ? quietTicks + 1 : 0;
    seen = started;
    if (quietTicks === QUIET_TICKS || (ticks >= MOST_TICKS && unanswered.size === 0)) process.exit(0);
  }, TICK_MILLISECONDS);
}

process.on("SIGTERM", drain);
process.on("SIGINT", drain);
