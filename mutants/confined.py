"""Where the faults of live mutants may show: what decides which of them can share a release.

A mutant that is named here changes nothing but what the modules of tests beside it look at: the release starts, stays
available, and serves everybody else as before. A mutant that is not named may show anywhere, and gets a release of its
own.
"""

from __future__ import annotations

from collections.abc import Mapping

SHOWS_IN: Mapping[str, str] = {
    # Chart: what a change of values does.
    "changed ConfigMap does not roll the pods": "changed_config_map bad_rollout limits",
    "changed setting other than ENVIRONMENT that no pod receives": "changed_config_map",
    "changed Secret does not roll the pods": "rotated_secret pgbouncer bad_rollout",
    "key of the model that is never rotated": "rotated_secret",
    "migration whose failure is ignored": "bad_rollout",
    "replicas set in the chart while the autoscaler is on": "autoscaling",
    "no CPU request": "autoscaling",
    "autoscaler that can't scale down": "autoscaling",
    "NOTES.txt with another port": "lifecycle",
    "ConfigMap that uninstall keeps": "lifecycle",
    # Chart: isolation.
    "containers of root": "isolation replaced_pods",
    "init container of another user": "isolation replaced_pods",
    "a capability added": "isolation",
    "writable root file system": "isolation replaced_pods",
    "volume that the image declares": "isolation replaced_pods logs",
    "frontend on a port of every node": "isolation",
    "backend URL baked into the frontend's image": "second_release",
    # Chat, texts and migrations at certain moments.
    "chat turn that writes back what it has read": "concurrency chat",
    "chat turns that take every connection": "concurrency",
    "earlier messages cut": "texts history",
    "tags that differ in case taken for one": "texts",
    "turn repeated with the same draft": "chat",
    "newer database refused": "standalone",
    # Logs.
    "backend logs no requests": "logs accounts",
    "frontend logs no requests": "logs accounts",
    "backend logs into a file as well": "logs isolation replaced_pods",
    "frontend logs into a file as well": "logs isolation replaced_pods",
    "tokens in the log": "accounts logs every_experiment",
    # Tokens, sessions and accounts.
    "signature is not verified": "tokens rotated_secret",
    "sessions that remain valid after the key is rotated": "tokens rotated_secret",
    "expiry is not verified": "tokens",
    "token valid for two minutes after its expiry": "tokens",
    "token without an expiry": "tokens",
    "token accepted for ever by a pod that has verified it": "tokens",
    "claims of another type": "tokens",
    "user who is gone as an error of the server": "tokens api users",
    "another user's path is allowed": "tokens users",
    "request without a token acts as the path's user": "tokens users caching",
    "tokens in memory": "tokens accounts second_account forms journey users two_frontends rotated_secret",
    "page that fails on a bad cookie": "tokens caching rotated_secret",
    "page that remembers the last user": (
        "pages lists logs tokens caching users forms journey accounts two_frontends rotated_secret"
    ),
    "session cookie that scripts can read": "journey accounts forms",
    "session cookie that other sites send": "accounts journey forms",
    "sign-out that keeps the cookie": "forms journey",
    "password without the spaces around it": "accounts",
    "name in which characters are removed": "accounts",
    "email address changed before it is stored": (
        "api accounts second_account journey forms users two_frontends second_release rotated_secret"
    ),
    # Headers.
    "every origin allowed": "cors caching",
    "only the first origin is allowed": "cors caching",
    "answers that a shared cache may keep": "caching",
    "answers that don't vary by their origin": "caching cors",
    "pages that a shared cache may keep": "caching forms journey",
    # Users.
    "another user's task is found by its identifier": "users",
    "every user's tasks in one list": "users api lists logs fields texts pages forms journey",
    "every user's tasks on one page": "users api lists logs fields texts pages forms journey",
    "filter by tag that forgets the owner": "users fields texts",
    "search that forgets the owner": "users fields texts",
    "every user's tasks in the prompt": "users fields chat texts journey",
    "tags of every user by name": "users fields texts api",
    # Fields and texts of tasks.
    "description that is not stored": (
        "fields::test_each_field fields::test_task_is fields::test_deleted_task_is_gone fields::test_deleted_tag "
        "texts users"
    ),
    "new task that is never completed": (
        "fields::test_each_field fields::test_task_is fields::test_deleted_tag texts users"
    ),
    "partial update that resets the other fields": "fields::test_each_field texts::test_longest_title api",
    "update that leaves the tags": "fields::test_each_field api moments",
    "task that can't be opened again": "fields::test_task_is forms journey",
    "filter of open tasks that shows all": "fields::test_task_is fields::test_deleted_task lists::test_filters users",
    "deletion of every task of the same title": "fields::test_deleted_task users api forms",
    "deleted task remains stored": "api fields users texts history forms journey",
    "deleted tag remains stored": "api fields users texts",
    "tag that takes its tasks' other tags with it": "fields::test_deleted_tag api users texts::test_one_character",
    "tag in small letters": "texts::test_odd_tags texts::test_one_character fields api users",
    "titles may be empty": "api fields texts forms",
    "title in which markup is removed": "texts::test_odd_titles fields api pages users forms",
    "title limited in bytes": "texts::test_longest_title texts::test_odd_titles api",
    "title cut instead of refused": "texts::test_longest_title api",
    "title of two characters at least": "texts::test_one_character api",
    "search with wildcards": "texts::test_search_takes texts::test_odd_titles fields users",
    "endpoint with another path": "api lists moments tokens users chat texts caching history",
    # Chat.
    "history in memory": "chat history journey texts users",
    "messages known only to the pod of their turn": "chat history journey users texts api fields",
    "user's message stored twice": "chat history journey users texts fields",
    "model's failure answered with 200": "chat",
    "tool effects stored although the turn failed": "chat",
    "tasks in the prompt as they once were": (
        "fields::test_deleted_task_is_on fields::test_chat users chat texts journey"
    ),
    "tool that takes the first task whose title begins alike": "fields::test_chat chat users",
    "deletion by chat that is not stored": "fields::test_chat chat users",
    "tool calls reported under another name": "fields::test_chat chat",
    "message cut before it reaches the model": "texts::test_longest_message history",
    "message escaped before it is stored": (
        "texts::test_odd_messages texts::test_longest_message chat history journey users fields"
    ),
    "history of ten messages": "history chat texts",
    "oldest messages instead of the newest": "history chat texts journey users api",
    "history in which the assistant's answers are the user's": "history chat texts journey",
    # Pages.
    "tasks that only the browser fetches": (
        "pages users lists logs fields texts tokens forms journey second_release two_frontends caching"
    ),
    "title shown as markup": "texts::test_odd_titles pages users fields forms journey",
    "message shown as markup": "texts::test_odd_messages users journey",
    "page that ignores what is searched for": "texts::test_search_page lists::test_every users fields",
    "field that is not reachable by keyboard": "journey forms",
    "form that deletes nothing": "forms journey",
    "form that completes and never opens again": "forms journey",
    "form that escapes a title": "forms journey",
    "statements prepared behind a pooler": "pgbouncer",
    # At certain moments.
    "instructions shared by all turns": "users chat fields texts",
    "change that writes what it has read before": "concurrency::test_changes",
    "messages stored before their effect": "chat::test_turn_about_a_task",
    "model that is not the configured one": "chat::test_model_is",
    "origins taken as patterns": "cors",
    "title in another Unicode form": "texts::test_odd_titles",
    "migration that gives up quietly": "standalone",
    "refused passwords in the log": "accounts every_experiment",
    "session that a shared cache may keep": "caching",
    "page that waits less long than a turn takes": "in_flight",
    "task between two pages": "lists::test_every",
    "form that turns over what it finds": "plain_forms",
    # Lists and moments.
    "state that a search forgets": "lists::test_filters",
    "state that is asked for after a part is taken": "lists::test_filters fields users",
    "older page that forgets the search": "lists::test_every_part",
    "page that ends at fifty messages": "history texts users journey",
    "conversations in the order of their creation": "lists::test_conversation",
    "creation that a change moves": "moments::test_change",
    "change of tags that has no moment": "moments::test_change",
    "local time given for UTC": "moments::test_moment moments::test_change",
    "turn that leaves the moment of its conversation": "moments::test_turn lists::test_conversation",
    # Limits, replacements and identifiers of requests.
    "replacement that keeps what it is not given": "fields::test_fields_that concurrency",
    "sign-in that nothing limits": "accounts",
    "turn without a limit of its own": "chat",
    "identifier of a page that the backend does not get": "logs::test_page_is",
    "identifier of a request that is always a new one": "logs::test_identifier logs::test_page_is",
    "identifier that is not logged": "logs::test_identifier logs::test_page_is",
}
"""By mutant: the modules of tests in which its fault may show, without `test_`; its own is among them.

After `::` stands the start of a test's name, where only such tests of a module may show it.
"""


def may_show(name: str, test: str) -> bool:
    """Whether a mutant's fault may show in a test, or in one of a module, by node ID."""
    if name not in SHOWS_IN:
        return True
    module, _, function = test.rpartition("/")[2].removeprefix("test_").partition(".py::")
    module = module.removesuffix(".py")
    places = [place.partition("::") for place in SHOWS_IN[name].split()]
    return any(place == module and (not function or function.startswith(start)) for place, _, start in places)


def by_test(name: str, module: str) -> bool:
    """Whether the tests of a module in which the mutant's fault may show are named one by one."""
    return name in SHOWS_IN and module not in SHOWS_IN[name].split()
