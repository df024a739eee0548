import { field, userAction } from "@/lib/action";
import { sendMessage } from "@/lib/backend";

export const POST = userAction(async (form, session) => {
  const turn = await sendMessage(session, Number(field(form, "conversation")) || null, field(form, "message"));
  return { location: `/chat/${turn.conversation_id}` };
});
