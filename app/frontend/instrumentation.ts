import { log } from "./lib/log";

const URLS = ["DATABASE_URL", "BETTER_AUTH_URL", "BACKEND_URL"];
const SECRET_CHARACTERS = 32; // the same as in the backend

/** Called once by Next before it serves requests: an invalid environment stops the process with one message. */
export function register(): void {
  const problems = URLS.filter((name) => !URL.canParse(process.env[name] ?? "")).map((name) => `${name} is not a URL`);
  const secret = process.env.BETTER_AUTH_SECRET ?? "";
  if (secret.length < SECRET_CHARACTERS) {
    problems.push(`BETTER_AUTH_SECRET has ${secret.length} characters, needs ${SECRET_CHARACTERS} or more`);
  }
  // Next compiles this for its edge runtime too, which has no process to exit.
  if (problems.length > 0 && process.env.NEXT_RUNTIME === "nodejs") {
    log("error", `bad environment: ${problems.join("; ")}`);
    process.exit(1);
  }
}
