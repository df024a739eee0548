"use client";

import { useOptimistic } from "react";
import type { Task } from "@/lib/backend";
import { useSubmit } from "./use-submit";

export function TaskItem({ task }: { task: Task }) {
  const [completed, setCompleted] = useOptimistic(task.completed);
  const toggle = useSubmit(() => setCompleted(!completed));
  const remove = useSubmit();
  const path = `/actions/tasks/${task.id}`;
  const error = toggle.error || remove.error;
  return (
    <li>
      {/* A submit button, so that it also works without JavaScript */}
      <form method="post" action={`${path}/complete`} onSubmit={toggle.onSubmit}>
        <input type="hidden" name="completed" value={String(!task.completed)} />
        <button role="checkbox" aria-checked={completed} aria-disabled={toggle.pending} className="task">
          {task.title}
        </button>
      </form>
      <form method="post" action={`${path}/delete`} onSubmit={remove.onSubmit}>
        <button className="quiet" aria-label={`Delete ${task.title}`} aria-disabled={remove.pending}>
          ×
        </button>
      </form>
      {error && <p role="alert">{error}</p>}
    </li>
  );
}
