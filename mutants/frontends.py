"""Live mutants of the frontend: forms that do something else, texts as markup, careless sessions and caching."""

from __future__ import annotations

from mutants.applications import FRONTEND_AUTH, FRONTEND_BACKEND, SESSION, TASKS_PAGE
from mutants.edits import replace
from mutants.mutant import mutant

ACCOUNT = "app/frontend/lib/account.ts"
ADD_ACTION = "app/frontend/app/actions/tasks/route.ts"
COMPLETE_ACTION = "app/frontend/app/actions/tasks/[id]/complete/route.ts"
DELETE_ACTION = "app/frontend/app/actions/tasks/[id]/delete/route.ts"
SIGN_OUT_ACTION = "app/frontend/app/actions/sign-out/route.ts"
CHAT_PAGE = "app/frontend/app/(signed-in)/chat/[[...conversation]]/page.tsx"
TASK_ITEM = "app/frontend/components/task-item.tsx"
NEXT_CONFIG = "app/frontend/next.config.ts"

TITLES = "behaviour/test_texts.py::test_odd_titles_are_stored_found_and_shown"
MESSAGES = "behaviour/test_texts.py::test_odd_messages_reach_the_model_and_the_page"
BAD_COOKIE = "behaviour/test_tokens.py::test_page_with_a_bad_cookie_leads_to_sign_in"
PAGES_CACHED = "behaviour/test_caching.py::test_no_shared_cache_keeps_a_signed_in_page"
PASSWORD = "behaviour/test_accounts.py::test_password_without_its_spaces_is_refused"  # noqa: S105 - a test's name
NAME = "behaviour/test_accounts.py::test_odd_name_and_password_are_kept"
COOKIE = "behaviour/test_accounts.py::test_session_cookie_is_closed_to_scripts_and_other_sites"
FORMS = "journey/test_forms.py::test_forms_change_the_rows_that_they_name"
SIGNED_OUT = "journey/test_forms.py::test_signed_out_browser_has_no_session"

MUTANTS = (
    mutant(
        "title shown as markup",
        "PER-09",
        TITLES,
        replace(
            TASK_ITEM,
            '<button role="checkbox" aria-checked={completed} aria-disabled={toggle.pending} className="task">\n'
            "          {task.title}\n        </button>",
            '<button role="checkbox" aria-checked={completed} aria-disabled={toggle.pending} className="task" '
            "dangerouslySetInnerHTML={{ __html: task.title }} />",
        ),
    ),
    mutant(
        "message shown as markup",
        "PER-09",
        MESSAGES,
        replace(
            CHAT_PAGE,
            "<article key={message.id} aria-label={AUTHORS[message.role]} className={message.role}>\n"
            "              {message.content}\n            </article>",
            "<article\n              key={message.id}\n              aria-label={AUTHORS[message.role]}\n"
            "              className={message.role}\n"
            "              dangerouslySetInnerHTML={{ __html: message.content }}\n            />",
        ),
    ),
    mutant(
        "page that fails on a bad cookie",
        "STA-05",
        BAD_COOKIE,
        replace(SESSION, "  } catch {\n    return null;\n", "  } catch (error) {\n    throw error;\n"),
    ),
    mutant(
        "pages that a shared cache may keep",
        "SCY-10",
        PAGES_CACHED,
        replace(
            NEXT_CONFIG,
            '        { key: "X-Content-Type-Options"',
            '        { key: "Cache-Control", value: "public, max-age=60" },\n        { key: "X-Content-Type-Options"',
        ),
    ),
    mutant(
        "password without the spaces around it",
        "SCY-10",
        PASSWORD,
        replace(ACCOUNT, '(name === "password" ? form.get(name) : field(form, name))', "field(form, name)"),
        replace(
            FRONTEND_AUTH,
            "emailAndPassword: { enabled: true },",
            "emailAndPassword: {\n      enabled: true,\n      password: {\n"
            "        hash: async (password) => password.trim(),\n"
            "        verify: async ({ hash, password }) => hash === password.trim(),\n      },\n    },",
        ),
    ),
    mutant(
        "name in which characters are removed",
        "PER-09",
        NAME,
        replace(
            FRONTEND_AUTH,
            "    emailAndPassword: { enabled: true },\n",
            "    emailAndPassword: { enabled: true },\n"
            "    databaseHooks: {\n      user: {\n        create: {\n"
            '          before: async (user) => ({ data: { ...user, name: user.name.replace(/[^\\w ]/g, "") } }),\n'
            "        },\n      },\n    },\n",
        ),
    ),
    mutant(
        "session cookie that other sites send",
        "SCY-10",
        COOKIE,
        replace(
            FRONTEND_AUTH,
            "advanced: { database:",
            'advanced: { defaultCookieAttributes: { sameSite: "none" }, database:',
        ),
    ),
    mutant(
        "form that deletes nothing",
        "PER-09",
        FORMS,
        replace(DELETE_ACTION, '{ method: "DELETE" }', "{}"),
    ),
    mutant(
        "form that completes and never opens again",
        "PER-09",
        FORMS,
        replace(COMPLETE_ACTION, 'field(form, "completed") === "true"', 'field(form, "completed") !== ""'),
    ),
    mutant(
        "form that escapes a title",
        "PER-09",
        FORMS,
        replace(ADD_ACTION, 'title: field(form, "title")', 'title: field(form, "title").replaceAll("<", "&lt;")'),
    ),
    mutant(
        "sign-out that keeps the cookie",
        "SCY-10",
        SIGNED_OUT,
        replace(
            SIGN_OUT_ACTION, 'import { accountAction } from "@/lib/account";', 'import { action } from "@/lib/action";'
        ),
        replace(
            SIGN_OUT_ACTION,
            'accountAction("/sign-out", [], "/sign-in")',
            'action(async () => ({ location: "/sign-in" }))',
        ),
    ),
    mutant(
        "page that ignores what is searched for",
        "PER-09",
        "behaviour/test_texts.py::test_search_page_shows_what_was_found_only",
        replace(TASKS_PAGE, "String(offset), ...shown };", "String(offset) };"),
    ),
    mutant(
        "form that the browser encodes as an address",
        "PER-09",
        FORMS,
        replace(
            "app/frontend/components/use-submit.ts",
            '      headers: { Accept: "application/json" },\n'
            "      body: new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)])),\n",
            '      headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" },\n'
            "      body: [...new FormData(form)].map(([name, value]) => `${name}=${encodeURI(String(value))}`)"
            '.join("&"),\n',
        ),
    ),
    mutant(
        "scripts and styles left in the build stage",
        "SCY-06",
        "journey/test_journey.py::test_user_signs_up_and_completes_a_task_from_the_chat",
        replace("dockerfiles/frontend.Dockerfile", " && cp -r .next/static .next/standalone/.next/static \\\n", ""),
    ),
    mutant(
        "reads under way that users share",
        "STA-05",
        "behaviour/test_users.py::test_simultaneous_reads_contain_nothing_of_other_users",
        replace(
            FRONTEND_BACKEND,
            "    answer = await send(url, session.token, options);\n",
            "    const known = options.method ? undefined : underWay.get(path);\n"
            "    const sent = known ?? send(url, session.token, options).finally(() => underWay.delete(path));\n"
            "    if (!options.method) underWay.set(path, sent);\n"
            "    answer = await sent;\n",
        ),
        replace(
            FRONTEND_BACKEND,
            "/** Sends a request to the backend as the user.",
            "const underWay = new Map<string, ReturnType<typeof send>>();\n\n"
            "/** Sends a request to the backend as the user.",
        ),
    ),
    mutant(
        "file that each page leaves open",
        "STA-14",
        "behaviour/test_rest.py::test_pods_hold_no_more_after_requests",
        replace(
            FRONTEND_BACKEND,
            'import http from "node:http";\n',
            'import fs from "node:fs";\nimport http from "node:http";\n',
        ),
        replace(
            FRONTEND_BACKEND,
            "  request.end(payload);\n",
            '  request.end(payload);\n  fs.openSync("/proc/self/status");\n',
        ),
    ),
    mutant(
        "second account of an email that replaces the first",
        "SCY-10",
        "behaviour/test_second_account.py::test_second_account_of_an_email_opens_nothing",
        replace(
            FRONTEND_AUTH,
            "    const response = await auth().handler(request);\n",
            '    if (request.url.endsWith("/sign-up/email")) {\n'
            "      const { email } = (await request.clone().json()) as { email: string };\n"
            '      await createPool().query(`delete from "user" where email = $1`, [email.toLowerCase()]);\n'
            "    }\n"
            "    const response = await auth().handler(request);\n",
        ),
    ),
    mutant(
        "four connections to the backend",
        "STA-13",
        "behaviour/test_concurrency.py::test_slow_chat_turns_delay_no_other_request",
        replace(
            FRONTEND_BACKEND,
            '"http:": new http.Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS })',
            '"http:": new http.Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS, maxSockets: 4 })',
        ),
    ),
    mutant(
        "writes sent again after a reset",
        "PER-05",
        "behaviour/test_lost_answers.py::test_write_whose_answer_is_lost_is_not_repeated",
        replace(
            FRONTEND_BACKEND,
            "    answer = await send(url, session.token, options);\n",
            "    answer = await send(url, session.token, options).catch((error: NodeJS.ErrnoException) => {\n"
            '      if (error.code !== "ECONNRESET") throw error;\n'
            "      return send(url, session.token, options);\n"
            "    });\n",
        ),
    ),
)
