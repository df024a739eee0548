"use client";

import type { ReactNode } from "react";
import { useSubmit } from "./use-submit";

type Props = { action: string; button: string; busy?: string; className?: string; children?: ReactNode };

/** A form with one button; an error message appears below it and is announced by screen readers. */
export function Form({ action, button, busy, className, children }: Props) {
  const { onSubmit, pending, error } = useSubmit();
  return (
    <form method="post" action={action} onSubmit={onSubmit} className={className} aria-busy={pending}>
      {children}
      <button aria-disabled={pending}>{button}</button>
      {busy && <p role="status">{pending ? busy : ""}</p>}
      {error && <p role="alert">{error}</p>}
    </form>
  );
}
