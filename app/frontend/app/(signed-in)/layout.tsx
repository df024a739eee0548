import type { ReactNode } from "react";
import { Form } from "@/components/form";
import { requireSession } from "@/lib/session";

export default async function SignedInLayout({ children }: { children: ReactNode }) {
  const { userName } = await requireSession();
  return (
    <>
      <header>
        {/* Plain links, so that every page is loaded from the server with current data */}
        <nav>
          <a href="/tasks">Tasks</a>
          <a href="/chat">Chat</a>
        </nav>
        <span className="who">{userName}</span>
        <Form action="/actions/sign-out" button="Sign out" />
      </header>
      <main>{children}</main>
    </>
  );
}
