import type { Metadata } from "next";
import { Form } from "@/components/form";
import { TaskItem } from "@/components/task-item";
import { Unavailable } from "@/components/unavailable";
import { callBackend, type Task } from "@/lib/backend";
import { requireSession } from "@/lib/session";

const PAGE = 100; // tasks on one page

export const metadata: Metadata = { title: "Tasks" };

export default async function TasksPage({ searchParams }: PageProps<"/tasks">) {
  const session = await requireSession();
  const { q, from } = await searchParams;
  const search = typeof q === "string" ? q.trim() : "";
  const offset = Math.max(0, Number.parseInt(String(from), 10) || 0);
  const shown = search ? { q: search } : undefined;
  const query = { limit: String(PAGE), offset: String(offset), ...shown };
  let tasks: Task[];
  try {
    tasks = await callBackend<Task[]>(session, `/tasks?${new URLSearchParams(query)}`);
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
      <nav aria-label="More tasks" className="row">
        {offset > 0 && <a href={`?${new URLSearchParams({ ...shown, from: String(offset - PAGE) })}`}>Newer</a>}
        {tasks.length === PAGE && <a href={`?${new URLSearchParams({ ...shown, from: String(offset + PAGE) })}`}>Older</a>}
      </nav>
    </>
  );
}
