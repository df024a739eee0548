/** Reports this process only: an unavailable database or backend must not cause restarts. */
export function GET(): Response {
  return Response.json({ status: "ok" });
}
