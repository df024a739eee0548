/** Tells of this process alone: the database or the backend away must not restart it. */
export function GET(): Response {
  return Response.json({ status: "ok" });
}
