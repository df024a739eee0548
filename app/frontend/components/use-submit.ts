"use client";

import { useRouter } from "next/navigation";
import { useState, useTransition, type FormEvent } from "react";
import type { Answer } from "@/lib/action";

const UNREACHABLE = "The service can't be reached at the moment. Please try again shortly.";

async function post(form: HTMLFormElement): Promise<Answer> {
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)])),
    });
    return (await response.json()) as Answer;
  } catch {
    return { error: UNREACHABLE };
  }
}

/**
 * Sends a form in the background, once: what was typed stays in place when it fails, and is cleared when done.
 * `before` runs in the same transition, for an optimistic state.
 */
export function useSubmit(before?: () => void) {
  const router = useRouter();
  const [error, setError] = useState("");
  const [pending, startTransition] = useTransition();

  function onSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    if (pending) return;
    startTransition(async () => {
      before?.();
      setError("");
      const answer = await post(form);
      if ("error" in answer) {
        startTransition(() => setError(answer.error));
      } else if (answer.location === window.location.pathname) {
        form.reset();
        startTransition(() => router.refresh());
      } else {
        window.location.assign(answer.location);
        await new Promise(() => {}); // stay busy until the next page is here
      }
    });
  }

  return { onSubmit, pending, error };
}
