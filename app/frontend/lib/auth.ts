import { betterAuth } from "better-auth";
import { createPool } from "./database";
import { log } from "./log";

/** Lifetime of a session; see "Sessions" in README.md. */
const SESSION_SECONDS = 24 * 60 * 60;

function createAuth() {
  return betterAuth({
    baseURL: process.env.BETTER_AUTH_URL,
    secret: process.env.BETTER_AUTH_SECRET,
    database: createPool(),
    emailAndPassword: { enabled: true },
    session: {
      expiresIn: SESSION_SECONDS,
      disableSessionRefresh: true,
      // Not a cache but the session itself: an HS256 JWT, signed with the secret's bytes, with the lifetime of the
      // session. Every pod of both components can verify it without the database.
      cookieCache: { enabled: true, strategy: "jwt", maxAge: SESSION_SECONDS },
    },
    // In memory, each pod would have its own counter. /get-session only reads the cookie and must not write a row.
    rateLimit: { storage: "database", customRules: { "/get-session": false } },
    // The validation on first use caches a missing table for the lifetime of the process, and after installation the
    // first request may arrive before the migration has finished.
    advanced: { database: { validateSchema: false } },
    telemetry: { enabled: false },
    logger: {
      level: process.env.DEBUG === "true" ? "debug" : "warn",
      log: (level, message) => log(level, `auth: ${message}`),
    },
  });
}

let instance: ReturnType<typeof createAuth> | undefined;

/** Better Auth, created on first use, because the build imports this module without a secret or database. */
function auth() {
  return (instance ??= createAuth());
}

/** Handles a request to Better Auth's API; responds with 503 if the database is unavailable. */
export async function handleAuth(request: Request): Promise<Response> {
  try {
    const response = await auth().handler(request);
    if (response.status < 500) return response;
  } catch (error) {
    log("error", `auth: ${String(error)}`);
  }
  const message = "Accounts are currently unavailable. Please try again shortly.";
  return Response.json({ message }, { status: 503 });
}

/** The same for a form: a new body with the cookies, client address and origin of the request. */
export function callAuth(path: string, request: Request, body: object): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.delete("content-length");
  headers.set("content-type", "application/json");
  const url = new URL(`/api/auth${path}`, process.env.BETTER_AUTH_URL);
  return handleAuth(new Request(url, { method: "POST", headers, body: JSON.stringify(body) }));
}
