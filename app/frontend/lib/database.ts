import pg from "pg";
import { log } from "./log";

// Users wait at most 5 s for a response or an error: the first query without an answer ends the request, so the sum of
// both limits is the maximum.
const CONNECT_MILLISECONDS = 3_000;
const QUERY_MILLISECONDS = 2_000;
// A connection whose query timed out returns to the pool with the query still pending, so its lifetime is limited.
const LIFETIME_SECONDS = 30;

/**
 * Settings for pg from the URL as Neon gives it (`postgresql://…?sslmode=require&channel_binding=require`).
 *
 * pg 8 treats sslmode prefer, require and verify-ca as verify-full, and warns that pg 9 will not. The explicit mode
 * keeps it that way: certificates are verified against the system's CAs and NODE_EXTRA_CA_CERTS. Channel binding is an
 * option of pg, not a URL parameter. The scheme may contain a driver suffix (postgresql+asyncpg).
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
  // Without a listener, the process crashes when the database closes an idle connection.
  pool.on("error", (error) => log("error", `database: ${error.message}`));
  return pool;
}
