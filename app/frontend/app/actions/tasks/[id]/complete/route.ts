import { field, userAction } from "@/lib/action";
import { callBackend } from "@/lib/backend";

export async function POST(request: Request, { params }: RouteContext<"/actions/tasks/[id]/complete">) {
  const { id } = await params;
  return userAction(async (form, session) => {
    const body = { completed: field(form, "completed") === "true" };
    await callBackend(session, `/tasks/${encodeURIComponent(id)}/complete`, { method: "PATCH", body });
    return { location: "/tasks" };
  })(request);
}
