import type { Metadata } from "next";
import { Form } from "@/components/form";

export const metadata: Metadata = { title: "Sign in" };

export default function SignInPage() {
  return (
    <main className="narrow">
      <h1>Sign in</h1>
      <Form action="/actions/sign-in" button="Sign in" className="stack">
        <label>
          Email
          <input name="email" type="email" required autoComplete="email" />
        </label>
        <label>
          Password
          <input name="password" type="password" required maxLength={128} autoComplete="current-password" />
        </label>
      </Form>
      <p>
        New here? <a href="/sign-up">Create an account</a>
      </p>
    </main>
  );
}
