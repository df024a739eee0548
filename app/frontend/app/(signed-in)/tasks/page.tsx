import type { Metadata } from "next";
import { Form } from "@/components/form";
import { TaskItem } from "@/components/task-item";
import { Unavailable } from "@/components/unavailable";
import { callBackend, type Task } from "@/lib/backend";
import { requireSession } from "@/lib/session";

export const metadata: Metadata = { title: "Tasks" };

export default async function TasksPage({ searchParams }: PageProps<"/tasks">) {
  const session = await requireSession();
  const { q } = await searchParams;
  const search = typeof q === "string" ? q.trim() : "";
  let tasks: Task[];
  try {
    tasks = await callBackend<Task[]>(session, `/tasks${search && `?${new URLSearchParams({ q: search })}`}`);
  } catch (error) {
    return <Unavailable error={error} />;
  }
  return (
    <>
      <h1>Tasks</h1>
      <Form action="/actions/tasks" button="Add" className="row">
        <input
          name="title"
          aria-label="New task"
          placeholder="What is to be done?"
          required
          maxLength={200}
          autoComplete="off"
        />
      </Form>
      <form role="search" className="row">
        <input type="search" name="q" aria-label="Search" placeholder="Search" defaultValue={search} />
        <button className="quiet">Search</button>
      </form>
      {tasks.length === 0 && <p className="hint">{search ? "No task matches." : "Nothing to do yet."}</p>}
      <ul className="tasks">
        {tasks.map((task) => (
          <TaskItem key={task.id} task={task} />
        ))}
      </ul>
    </>
  );
}
