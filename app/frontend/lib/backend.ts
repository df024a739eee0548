import http from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import { headers } from "next/headers";
import { log } from "./log";
import type { Session } from "./session";

export type Task = { id: number; title: string; completed: boolean };
export type Conversation = { id: number; title: string };
export type Message = { id: number; role: "user" | "assistant"; content: string };
export type Turn = { conversation_id: number };

/** A response other than 2xx, or 503 for no response. The message is shown to the user. */
export class BackendError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

// Keep-alive without lost requests. A request is lost when it is sent on a connection that the backend is closing.
// Therefore the client closes idle connections after 1 s, well before the backend does: both its drain time after
// SIGTERM, during which it responds with `Connection: close`, and its keep-alive timeout are several seconds.
// node:http never sends a request twice; a failed request is reported as failed.
const IDLE_MILLISECONDS = 1_000;
const agents = {
  "http:": new http.Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS }),
  "https:": new https.Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS }),
};

const REQUEST_MILLISECONDS = 8_000; // the backend reports an unavailable database within 5 s
const CHAT_MILLISECONDS = 120_000; // a model response takes time; the backend has a shorter limit

type Options = { method?: string; body?: object; timeout?: number };

async function send(url: URL, token: string, { method = "GET", body, timeout = REQUEST_MILLISECONDS }: Options) {
  const payload = body && JSON.stringify(body);
  const requestId = (await headers()).get("x-request-id");
  const request = (url.protocol === "https:" ? https : http).request(url, {
    method,
    agent: agents[url.protocol as keyof typeof agents],
    signal: AbortSignal.timeout(timeout),
    headers: {
      Authorization: `Bearer ${token}`,
      Accept: "application/json",
      ...(payload && { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(payload) }),
      ...(requestId && { "X-Request-ID": requestId }),
    },
  });
  request.end(payload);
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once("response", resolve).once("error", reject);
  });
  return { status: response.statusCode ?? 0, body: await text(response) };
}

/** Sends a request to the backend as the user. Throws BackendError. */
export async function callBackend<T>(session: Session, path: string, options: Options = {}): Promise<T> {
  const url = new URL(`/api/${encodeURIComponent(session.userId)}${path}`, process.env.BACKEND_URL);
  let answer: { status: number; body: string };
  try {
    answer = await send(url, session.token, options);
  } catch (error) {
    log("error", `backend: ${String(error)} (${options.method ?? "GET"} ${url.pathname})`);
    throw new BackendError(503, unavailable(options));
  }
  if (answer.status < 200 || answer.status > 299) throw new BackendError(answer.status, explain(answer, options));
  return (answer.body ? JSON.parse(answer.body) : undefined) as T;
}

export function sendMessage(session: Session, conversation: number | null, message: string): Promise<Turn> {
  const body = { conversation_id: conversation, message };
  return callBackend<Turn>(session, "/chat", { method: "POST", body, timeout: CHAT_MILLISECONDS });
}

/** A write that was not answered, or with an error of the server, may be stored all the same. */
function unavailable({ method = "GET" }: Options): string {
  const advice = method === "GET" ? "Please try again shortly." : "Look whether your change was made before you try again.";
  return `The service is currently unavailable. ${advice}`;
}

/** FastAPI's `detail`: a string, or for invalid input a list of {msg}. */
function explain({ status, body }: { status: number; body: string }, options: Options): string {
  if (status >= 500) return unavailable(options);
  try {
    const { detail } = JSON.parse(body) as { detail: string | { msg: string }[] };
    return typeof detail === "string" ? detail : detail.map(({ msg }) => msg).join(". ");
  } catch {
    return `The service refused the request (${status}).`;
  }
}
