import { action, field, Refusal } from "./action";
import { callAuth } from "./auth";

/** Form handler for an endpoint of Better Auth; passes its cookies to the browser, or shows its error message. */
export function accountAction(path: string, names: string[], location: string) {
  return action(async (form, request) => {
    // Passwords may start or end with a space, so they are not trimmed.
    const value = (name: string) => (name === "password" ? form.get(name) : field(form, name));
    const body = Object.fromEntries(names.map((name) => [name, value(name)]));
    const response = await callAuth(path, request, body);
    if (!response.ok) throw new Refusal(response.status, await reason(response));
    return { location, cookies: response.headers.getSetCookie() };
  });
}

async function reason(response: Response): Promise<string> {
  if (response.status === 429) {
    const seconds = response.headers.get("x-retry-after") ?? "a few";
    return `Too many attempts. Please try again in ${seconds} seconds.`;
  }
  const { message } = (await response.json()) as { message?: string };
  return message ?? "The request was refused.";
}
