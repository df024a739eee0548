export default function NotFound() {
  return (
    <main className="narrow">
      <h1>Not found</h1>
      <p>
        There is nothing here. <a href="/">Back to your tasks</a>
      </p>
    </main>
  );
}
