import { BackendError } from "./backend";
import { getSession, type Session } from "./session";

export type Outcome = { location: string; cookies?: string[] };
/** Response to a form whose request accepts JSON. */
export type Answer = { location: string } | { error: string };

/** An error message for the user. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * A route handler for a form. Plain routes instead of server actions, whose IDs change with each build: pages loaded
 * before an upgrade continue to work after it. Forms also work without JavaScript: the browser then receives a
 * redirect, or a small page with the error message.
 */
export function action(run: (form: FormData, request: Request) => Promise<Outcome>) {
  return async (request: Request): Promise<Response> => {
    const json = request.headers.get("accept")?.includes("application/json");
    try {
      refuseOtherSites(request);
      const { location, cookies = [] } = await run(await readForm(request), request);
      const response = json
        ? Response.json({ location } satisfies Answer)
        : new Response(null, { status: 303, headers: { Location: location } });
      for (const cookie of cookies) response.headers.append("Set-Cookie", cookie);
      return response;
    } catch (error) {
      if (!(error instanceof Refusal || error instanceof BackendError)) throw error;
      const { status, message } = error;
      return json ? Response.json({ error: message } satisfies Answer, { status }) : errorPage(status, message);
    }
  };
}

/** The same for signed-in users. Others, including users whom the backend no longer knows, are redirected to sign in. */
export function userAction(run: (form: FormData, session: Session) => Promise<Outcome>) {
  return action(async (form) => {
    const session = await getSession();
    if (!session) return { location: "/sign-in" };
    try {
      return await run(form, session);
    } catch (error) {
      if (error instanceof BackendError && error.status === 401) return { location: "/sign-in" };
      throw error;
    }
  });
}

/** The trimmed value of a text field. */
export function field(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value.trim() : "";
}

async function readForm(request: Request): Promise<FormData> {
  try {
    return await request.formData();
  } catch {
    throw new Refusal(400, "The request is not a form.");
  }
}

/** CSRF protection in addition to SameSite=Lax: browsers send the page's origin with every POST request. */
function refuseOtherSites(request: Request): void {
  const origin = request.headers.get("origin");
  if (!origin) return;
  if (!URL.canParse(origin) || new URL(origin).host !== request.headers.get("host")) {
    throw new Refusal(403, "This form was sent from another site.");
  }
}

function errorPage(status: number, message: string): Response {
  const safe = message.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
  const html = `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Todo</title>
<meta name="color-scheme" content="light dark"><p role="alert">${safe}</p><p><a href="/">Todo</a></p></html>`;
  return new Response(html, { status, headers: { "Content-Type": "text/html; charset=utf-8" } });
}
