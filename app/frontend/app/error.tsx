"use client";

export default function ErrorPage() {
  return (
    <main className="narrow">
      <h1>Something went wrong</h1>
      <p role="alert">This page can&apos;t be shown at the moment. Please try again shortly.</p>
    </main>
  );
}
