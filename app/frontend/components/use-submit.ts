"use client";

import { useRouter } from "next/navigation";
import { useState, useTransition, type FormEvent } from "react";
import type { Answer } from "@/lib/action";

const UNREACHABLE = "The service is currently unreachable. Look whether your change was made before you try again.";

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
 * Submits a form in the background, once. The input is kept if the request fails and cleared if it succeeds.
 * `before` runs in the same transition, for optimistic state.
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
        await new Promise(() => {}); // remain pending until the next page has loaded
      }
    });
  }

  return { onSubmit, pending, error };
}
