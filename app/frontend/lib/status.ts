import type { AsyncLocalStorage } from "node:async_hooks";
import type { ServerResponse } from "node:http";

declare global {
  /** The response being made; set by observe.js. */
  var currentResponse: AsyncLocalStorage<ServerResponse> | undefined;
}

/** Gives the page being rendered this HTTP status, if its headers have not been sent. */
export function setStatus(status: number): void {
  const response = globalThis.currentResponse?.getStore();
  if (response && !response.headersSent) response.statusCode = status;
}
