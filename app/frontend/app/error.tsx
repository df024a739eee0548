"use client";

export default function ErrorPage() {
  return (
    <main className="narrow">
      <h1>Something went wrong</h1>
      <p role="alert">This page is currently unavailable. Please try again shortly.</p>
    </main>
  );
}
