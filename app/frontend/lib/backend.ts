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

/** An answer other than 2xx; 503 also stands for no answer. The message is for a person. */
export class BackendError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

// Keep-alive without loss. A request is lost when it is sent on a connection that the backend is just closing. So
// it is always we who close: after 1 s without use, well before the backend does (its drain time at SIGTERM, in
// which it answers with `Connection: close`, and its keep-alive time-out are several seconds each).
// node:http never sends a request twice; what fails is reported as failed.
const IDLE_MILLISECONDS = 1_000;
const agents = {
  "http:": new http.Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS }),
  "https:": new https.Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS }),
};

const REQUEST_MILLISECONDS = 8_000; // the backend says within 5 s that its database is away
const CHAT_MILLISECONDS = 120_000; // a model thinks; the backend has the shorter limit

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

/** Calls the backend as the user. Throws BackendError. */
export async function callBackend<T>(session: Session, path: string, options: Options = {}): Promise<T> {
  const url = new URL(`/api/${encodeURIComponent(session.userId)}${path}`, process.env.BACKEND_URL);
  let answer: { status: number; body: string };
  try {
    answer = await send(url, session.token, options);
  } catch (error) {
    log("error", `backend: ${String(error)} (${options.method ?? "GET"} ${url.pathname})`);
    throw new BackendError(503, "The service does not answer at the moment. Please try again shortly.");
  }
  if (answer.status < 200 || answer.status > 299) throw new BackendError(answer.status, explain(answer));
  return (answer.body ? JSON.parse(answer.body) : undefined) as T;
}

export function sendMessage(session: Session, conversation: number | null, message: string): Promise<Turn> {
  const body = { conversation_id: conversation, message };
  return callBackend<Turn>(session, "/chat", { method: "POST", body, timeout: CHAT_MILLISECONDS });
}

/** FastAPI's `detail`: a sentence, or for bad input a list of {msg}. */
function explain({ status, body }: { status: number; body: string }): string {
  if (status >= 500) return "The service can't do this at the moment. Nothing was changed; please try again shortly.";
  try {
    const { detail } = JSON.parse(body) as { detail: string | { msg: string }[] };
    return typeof detail === "string" ? detail : detail.map(({ msg }) => msg).join(". ");
  } catch {
    return `The service refused this (${status}).`;
  }
}
