import type { AsyncLocalStorage } from "node:async_hooks";
import type { ServerResponse } from "node:http";

declare global {
  /** The current response; set by observe.js. */
  var currentResponse: AsyncLocalStorage<ServerResponse> | undefined;
}

/** Sets the HTTP status of the page that is being rendered, if its headers have not been sent. */
export function setStatus(status: number): void {
  const response = globalThis.currentResponse?.getStore();
  if (response && !response.headersSent) response.statusCode = status;
}
