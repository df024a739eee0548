import { betterAuth } from "better-auth";
import { createPool } from "./database";
import { log } from "./log";

/** A session's whole life, in seconds. README.md, "Sessions", has the reasons. */
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
      // The session itself, not a cache of it: an HS256 JWT keyed with the secret's bytes, as long-lived as the
      // session, so that every pod of both components verifies it alone.
      cookieCache: { enabled: true, strategy: "jwt", maxAge: SESSION_SECONDS },
    },
    // In memory each pod would count for itself. /get-session reads the cookie alone and must not write a row.
    rateLimit: { storage: "database", customRules: { "/get-session": false } },
    // Its check on first use remembers a missing table until the process ends, and on a fresh install the first
    // request may come before the migration.
    advanced: { database: { validateSchema: false } },
    telemetry: { enabled: false },
    logger: {
      level: process.env.DEBUG === "true" ? "debug" : "warn",
      log: (level, message) => log(level, `auth: ${message}`),
    },
  });
}

let instance: ReturnType<typeof createAuth> | undefined;

/** Better Auth, made on first use: the build imports this module and has neither secret nor database. */
function auth() {
  return (instance ??= createAuth());
}

/** Answers a request to Better Auth's API; a database that does not answer is a 503, not a crash. */
export async function handleAuth(request: Request): Promise<Response> {
  try {
    const response = await auth().handler(request);
    if (response.status < 500) return response;
  } catch (error) {
    log("error", `auth: ${String(error)}`);
  }
  const message = "Accounts are not available at the moment. Please try again shortly.";
  return Response.json({ message }, { status: 503 });
}

/** The same, for a form: the caller's cookies, address and origin with a body of our own. */
export function callAuth(path: string, request: Request, body: object): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.delete("content-length");
  headers.set("content-type", "application/json");
  const url = new URL(`/api/auth${path}`, process.env.BETTER_AUTH_URL);
  return handleAuth(new Request(url, { method: "POST", headers, body: JSON.stringify(body) }));
}
