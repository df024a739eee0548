import { field, userAction } from "@/lib/action";
import { callBackend } from "@/lib/backend";

export const POST = userAction(async (form, session) => {
  await callBackend(session, "/tasks", { method: "POST", body: { title: field(form, "title") } });
  return { location: "/tasks" };
});
