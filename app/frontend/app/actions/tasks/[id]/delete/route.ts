import { userAction } from "@/lib/action";
import { callBackend } from "@/lib/backend";

export async function POST(request: Request, { params }: RouteContext<"/actions/tasks/[id]/delete">) {
  const { id } = await params;
  return userAction(async (_form, session) => {
    await callBackend(session, `/tasks/${encodeURIComponent(id)}`, { method: "DELETE" });
    return { location: "/tasks" };
  })(request);
}
