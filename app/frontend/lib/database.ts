import pg from "pg";
import { log } from "./log";

// A person waits for an answer or an error for at most 5 s: once connected, the first query that gets no answer
// ends a request, so the two are never both spent in full.
const CONNECT_MILLISECONDS = 3_000;
const QUERY_MILLISECONDS = 2_000;
// A connection whose query timed out goes back to the pool with that query pending; it is not kept for long.
const LIFETIME_SECONDS = 30;

/**
 * Settings for pg from the URL as Neon gives it (`postgresql://…?sslmode=require&channel_binding=require`).
 *
 * pg 8 takes sslmode prefer, require and verify-ca as verify-full, with a warning that pg 9 will not. We say what
 * is meant: the certificate is verified, against the system's authorities and NODE_EXTRA_CA_CERTS. Channel binding
 * is not a URL parameter of pg but an option. The scheme may name another language's driver (postgresql+asyncpg).
 */
export function connectionSettings(databaseUrl: string): pg.ClientConfig {
  const url = new URL(databaseUrl.replace(/^postgres(ql)?(\+\w+)?:/, "postgresql:"));
  const sslmode = url.searchParams.get("sslmode");
  if (sslmode && sslmode !== "disable") url.searchParams.set("sslmode", "verify-full");
  const channelBinding = url.searchParams.get("channel_binding") ?? "disable";
  url.searchParams.delete("channel_binding");
  return { connectionString: url.href, enableChannelBinding: channelBinding !== "disable" };
}

export function createPool(): pg.Pool {
  const pool = new pg.Pool({
    ...connectionSettings(process.env.DATABASE_URL ?? ""),
    application_name: process.env.POD_NAME ?? "todo-frontend",
    max: Number(process.env.DATABASE_POOL_SIZE ?? 5),
    connectionTimeoutMillis: CONNECT_MILLISECONDS,
    query_timeout: QUERY_MILLISECONDS,
    maxLifetimeSeconds: LIFETIME_SECONDS,
    keepAlive: true,
  });
  // Without a listener the process dies when the database ends an idle connection.
  pool.on("error", (error) => log("error", `database: ${error.message}`));
  return pool;
}
