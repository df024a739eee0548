import { notFound, redirect } from "next/navigation";
import { BackendError } from "@/lib/backend";
import { setStatus } from "@/lib/status";

/** Shown instead of data that the backend did not return. */
export function Unavailable({ error }: { error: unknown }) {
  if (!(error instanceof BackendError)) throw error;
  if (error.status === 401) redirect("/sign-in");
  if (error.status === 404 || error.status === 422) notFound();
  setStatus(503);
  return <p role="alert">{error.message}</p>;
}
