import type { Metadata } from "next";
import { Form } from "@/components/form";

export const metadata: Metadata = { title: "Sign up" };

export default function SignUpPage() {
  return (
    <main className="narrow">
      <h1>Sign up</h1>
      <Form action="/actions/sign-up" button="Sign up" className="stack">
        <label>
          Name
          <input name="name" required maxLength={100} autoComplete="name" />
        </label>
        <label>
          Email
          <input name="email" type="email" required autoComplete="email" />
        </label>
        <label>
          Password
          <input name="password" type="password" required minLength={8} maxLength={128} autoComplete="new-password" />
        </label>
      </Form>
      <p>
        Been here before? <a href="/sign-in">Use your account</a>
      </p>
    </main>
  );
}
