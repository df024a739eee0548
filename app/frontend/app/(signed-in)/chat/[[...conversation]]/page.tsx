import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { Form } from "@/components/form";
import { Unavailable } from "@/components/unavailable";
import { callBackend, type Conversation, type Message } from "@/lib/backend";
import { requireSession } from "@/lib/session";

export const metadata: Metadata = { title: "Chat" };

const AUTHORS = { user: "You", assistant: "Assistant" };

export default async function ChatPage({ params }: PageProps<"/chat/[[...conversation]]">) {
  const session = await requireSession();
  const [id, ...rest] = (await params).conversation ?? [];
  if (rest.length > 0 || (id && !/^\d+$/.test(id))) notFound();
  let conversations: Conversation[];
  let messages: Message[];
  try {
    [conversations, messages] = await Promise.all([
      callBackend<Conversation[]>(session, "/conversations"),
      id ? callBackend<Message[]>(session, `/conversations/${id}/messages`) : [],
    ]);
  } catch (error) {
    return <Unavailable error={error} />;
  }
  return (
    <div className="chat">
      <h1>Chat</h1>
      <nav aria-label="Conversations">
        <a href="/chat" aria-current={id ? undefined : "page"}>
          New conversation
        </a>
        {conversations.map((conversation) => (
          <a
            key={conversation.id}
            href={`/chat/${conversation.id}`}
            aria-current={String(conversation.id) === id ? "page" : undefined}
          >
            {conversation.title}
          </a>
        ))}
      </nav>
      <div role="log" aria-label="Messages" tabIndex={0}>
        <div>
          {messages.length === 0 && <p className="hint">Ask for a task to be added, listed, completed or deleted.</p>}
          {messages.map((message) => (
            <article key={message.id} aria-label={AUTHORS[message.role]} className={message.role}>
              {message.content}
            </article>
          ))}
        </div>
      </div>
      <Form action="/actions/chat" button="Send" busy="The assistant is thinking…" className="row">
        <input type="hidden" name="conversation" value={id ?? ""} />
        <input
          name="message"
          aria-label="Message"
          placeholder="add task: buy milk"
          required
          maxLength={4000}
          autoComplete="off"
          autoFocus
        />
      </Form>
    </div>
  );
}
