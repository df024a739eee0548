// @ts-check
// Preloaded (node --require ./observe.js): request log and response headers for all requests (pages, static files,
// Better Auth, Next's own errors): X-Pod-Name and X-Request-ID in the response, one JSON line on stdout.

const { AsyncLocalStorage } = require("node:async_hooks");
const { randomUUID } = require("node:crypto");
const { subscribe } = require("node:diagnostics_channel");

/** @typedef {import("node:http").ServerResponse} ServerResponse */
/** @typedef {{ request: import("node:http").IncomingMessage, response: ServerResponse }} Started */

const pod = process.env.POD_NAME ?? "";
const version = process.env.APP_VERSION ?? "";

// Used by lib/status.ts, because the App Router can't render a page with status 503.
/** @type {AsyncLocalStorage<ServerResponse>} */
const currentResponse = new AsyncLocalStorage();
Object.assign(globalThis, { currentResponse });

subscribe("http.server.request.start", (message) => {
  const { request, response } = /** @type {Started} */ (message);
  const start = performance.now();
  const given = String(request.headers["x-request-id"] ?? "");
  const requestId = /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
  const path = (request.url ?? "").split("?", 1)[0]; // read now, because Next rewrites url; without the query, which may contain user data
  request.headers["x-request-id"] = requestId; // for the backend
  if (pod) response.setHeader("X-Pod-Name", pod);
  response.setHeader("X-Request-ID", requestId);
  response.once("close", () => {
    const complete = response.writableFinished;
    const line = {
      time: new Date().toISOString(),
      level: response.statusCode >= 500 ? "error" : complete ? "info" : "warning",
      method: request.method,
      path,
      status: response.statusCode,
      duration_ms: Math.round((performance.now() - start) * 10) / 10,
      pod,
      version,
      request_id: requestId,
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  });
  currentResponse.enterWith(response);
});
