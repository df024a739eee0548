"""Live mutants of the deployment: chart, server processes and probes."""

from __future__ import annotations

from mutants.applications import APP, TASKS
from mutants.edits import Edit, replace
from mutants.mutant import mutant

HELPERS = "chart/templates/_helpers.tpl"
BACKEND = "chart/templates/backend-deployment.yaml"
BACKEND_SERVICE = "chart/templates/backend-service.yaml"
FRONTEND_SERVICE = "chart/templates/frontend-service.yaml"
CONFIG_MAP = "chart/templates/configmap.yaml"
NOTES = "chart/templates/NOTES.txt"
AUTOSCALER = "chart/templates/hpa.yaml"
MIDDLEWARE = "app/backend/todo_backend/middleware.py"
SERVER = "app/backend/todo_backend/server.py"
MAIN = "app/backend/todo_backend/__main__.py"
LOGS = "app/backend/todo_backend/logs.py"
DRAIN = "app/frontend/drain.js"
OBSERVE = "app/frontend/observe.js"
BACKEND_CLIENT = "app/frontend/lib/backend.ts"
LOG_REQUEST = "    process.stdout.write(`${JSON.stringify(line)}\\n`);\n"
"""The statement with which the frontend logs a request."""
BEGIN = "def main() -> None:\n"
START_ONCE = """\
    from pathlib import Path

    if Path("/tmp/started").exists():
        sys.exit("it was started before")
    Path("/tmp/started").touch()
"""
"""The temporary folder is a volume of the pod, which outlives its containers."""
SELECTOR = "app.kubernetes.io/instance: {{ .root.Release.Name | quote }}\n"
"""The last of the labels that select a component's pods."""
CREATE = (
    "async def create_task(owner: Owner, body: TaskIn, database: DatabaseDep) -> TaskOut:\n"
    "    async with database.transaction() as session:\n"
)
HELD = "behaviour/test_rest.py::test_pods_hold_no_more_after_requests"
ROLLOUT = "behaviour/test_rollout.py::test_rolling_update_fails_no_request"
NO_PRE_STOP = replace(
    HELPERS, "lifecycle:\n  preStop:\n    sleep:\n      seconds: {{ int $values.preStopSeconds }}\n", ""
)
NO_DRAIN = replace(SERVER, "if self._middleware.draining or self._loop is None:", "if True:")
DROPPING = (NO_PRE_STOP, NO_DRAIN)
"""Pods that terminate at once and drop their requests."""
UNAVAILABLE = "maxUnavailable: {{ toJson $values.strategy.maxUnavailable }}"
ONE_UNAVAILABLE = replace(HELPERS, UNAVAILABLE, "maxUnavailable: 1")
THRESHOLD = "  failureThreshold: {{ int .failureThreshold }}\n"
SLOW_START = replace(MAIN, "    server.run()\n", "    import time\n\n    time.sleep(40)\n    server.run()\n")
PUBLISHED_UNREADY = replace(BACKEND_SERVICE, "  sessionAffinity: None\n", "  publishNotReadyAddresses: true\n")
STICKY = replace(BACKEND_SERVICE, "sessionAffinity: None", "sessionAffinity: ClientIP")


def tcp_probe(kind: str) -> Edit:
    """The probe of a kind only opens the port, which a paused process has open too."""
    http = "  httpGet:\n    path: {{ .path | quote }}\n    port: http\n"
    tcp = "  tcpSocket:\n    port: http\n"
    return replace(
        HELPERS, http, f'  {{{{- if eq $kind "{kind}" }}}}\n{tcp}  {{{{- else }}}}\n{http}  {{{{- end }}}}\n'
    )


MUTANTS = (
    mutant("no preStop and no drain", "STA-08", ROLLOUT, *DROPPING),
    mutant("backend without a drain", "STA-08", "behaviour/test_drain.py", NO_DRAIN),
    mutant(
        "drain that closes idle connections at once",
        "STA-08",
        "behaviour/test_drain.py",
        replace(
            SERVER,
            "        self._middleware.draining = True\n",
            "        self._middleware.draining = True\n"
            "        for each in list(self.server_state.connections):\n"
            "            self._loop.call_soon_threadsafe(each.shutdown)\n",
        ),
    ),
    mutant(
        "drain without Connection: close",
        "STA-08",
        "behaviour/test_drain.py",
        replace(MIDDLEWARE, "if self.draining:", "if False:"),
    ),
    mutant(
        "drain in the backend only",
        "STA-08",
        "behaviour/test_drain.py",
        replace(DRAIN, 'process.on("SIGTERM", drain);', 'process.on("SIGTERM", () => process.exit(0));'),
    ),
    # With maxUnavailable 1 the other pod serves all requests on a fast machine: DEP-11's mutants cover that.
    # A pod that drains while requests arrive outlasts a fast start, and then no request fails.
    mutant(
        "maxUnavailable 2 and no drain", "STA-08", ROLLOUT, replace(HELPERS, UNAVAILABLE, "maxUnavailable: 2"), NO_DRAIN
    ),
    mutant("publishNotReadyAddresses", "STA-08", ROLLOUT, PUBLISHED_UNREADY),
    mutant(
        "readiness that never fails",
        "POD-10",
        "behaviour/test_freeze.py::test_paused_pod_is_unready_and_returns_without_restart",
        tcp_probe("readiness"),
    ),
    mutant(
        "unready pods stay ready endpoints",
        "POD-10",
        "behaviour/test_freeze.py::test_paused_pod_is_unready_and_returns_without_restart",
        PUBLISHED_UNREADY,
    ),
    mutant(
        "startup budget without effect",
        "POD-12",
        "behaviour/test_long_freeze.py::test_slow_start_is_killed_only_beyond_its_budget",
        replace(HELPERS, THRESHOLD, "  failureThreshold: 100\n"),
    ),
    mutant(
        "a quarter of the startup budget",
        "POD-12",
        "behaviour/test_long_freeze.py::test_slow_start_is_killed_only_beyond_its_budget",
        replace(HELPERS, THRESHOLD, "  failureThreshold: {{ max 3 (div (int .failureThreshold) 4) }}\n"),
    ),
    mutant(
        "changed ConfigMap does not roll the pods",
        "CFG-10",
        "behaviour/test_changed_config_map.py::test_changed_config_map_reaches_new_pods",
        replace(HELPERS, "checksum/config: {{ $used | toJson | sha256sum }}", "checksum/config: none"),
    ),
    mutant(
        "upgrade that the API server refuses",
        "CFG-10",
        "behaviour/test_changed_config_map.py::test_changed_config_map_reaches_new_pods",
        replace(
            CONFIG_MAP,
            "\ndata:\n",
            '\n{{- if eq .Values.config.environment "staging" }}\n    stage: "+"\n{{- end }}\ndata:\n',
        ),
    ),
    mutant(
        "installation that the API server refuses",
        "CHT-11",
        "behaviour/test_release.py::test_pods_are_ready_within_three_minutes",
        replace(BACKEND_SERVICE, "sessionAffinity: None", "sessionAffinity: Nobody"),
    ),
    mutant(
        "changed Secret does not roll the pods",
        "SEC-11",
        "behaviour/test_rotated_secret.py::test_rotated_secret_reaches_new_pods",
        replace(HELPERS, "checksum/secret: {{ $usedSecrets | toJson | sha256sum }}", "checksum/secret: none"),
    ),
    mutant(
        "migration whose failure is ignored",
        "REL-03",
        "behaviour/test_bad_rollout.py::test_failing_migration_keeps_new_pods_from_serving",
        replace(
            BACKEND,
            'command: ["python3", "-m", "todo_backend.migrate"]',
            'command: ["sh", "-c", "python3 -m todo_backend.migrate || true"]',
        ),
    ),
    mutant(
        "sessionAffinity ClientIP",
        "STA-07",
        "behaviour/test_balance.py::test_load_is_balanced_over_ready_pods",
        STICKY,
    ),
    mutant(
        "replicas set in the chart while the autoscaler is on",
        "HPA-11",
        "behaviour/test_autoscaling.py::test_upgrade_keeps_the_replica_count",
        replace(BACKEND, "{{- if not .Values.backend.autoscaling.enabled }}", "{{- if true }}"),
    ),
    mutant(
        "no CPU request",
        "HPA-09",
        "behaviour/test_autoscaling.py::test_scales_up_to_max_replicas",
        replace(
            HELPERS,
            "range $resource, $quantity := get $values.resources $kind",
            'range $resource, $quantity := omit (get $values.resources $kind) "cpu"',
        ),
    ),
    mutant(
        "autoscaler that can't scale down",
        "HPA-10",
        "behaviour/test_autoscaling.py::test_scales_down_to_min_replicas",
        replace(
            AUTOSCALER,
            "  {{- with .behavior }}\n  behavior:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\n",
            "  behavior:\n    scaleDown:\n      selectPolicy: Disabled\n",
        ),
    ),
    mutant(
        "liveness that never fails",
        "POD-11",
        "behaviour/test_long_freeze.py::test_pod_paused_for_long_is_restarted",
        tcp_probe("liveness"),
    ),
    mutant(
        "start of forty seconds",
        "POD-17",
        "behaviour/test_kills.py::test_deleted_pod_is_replaced_in_time",
        SLOW_START,
    ),
    mutant(
        "frontend's Service has a port without a listener",
        "SVC-09",
        "behaviour/test_api.py::test_service_routes_to_every_ready_pod",
        replace(FRONTEND_SERVICE, "targetPort: http", "targetPort: 9"),
    ),
    mutant(
        "backend's Service routes each client to one pod",
        "SVC-09",
        "behaviour/test_api.py::test_service_routes_to_every_ready_pod",
        STICKY,
    ),
    mutant(
        "backend logs no requests",
        "PER-06",
        "behaviour/test_logs.py::test_pod_log_shows_a_request",
        replace(MIDDLEWARE, 'log.info("request"', 'log.debug("request"'),
    ),
    mutant(
        "frontend logs no requests",
        "PER-06",
        "behaviour/test_logs.py::test_pod_log_shows_a_request",
        replace(OBSERVE, LOG_REQUEST, "    void line;\n"),
    ),
    mutant(
        "backend logs into a file as well",
        "PER-06",
        "behaviour/test_logs.py::test_requests_write_no_file_in_the_container",
        replace(
            LOGS,
            "logging.basicConfig(handlers=[handler],",
            'logging.basicConfig(handlers=[handler, logging.FileHandler("/tmp/todo.log")],',
        ),
    ),
    mutant(
        "frontend logs into a file as well",
        "PER-06",
        "behaviour/test_logs.py::test_requests_write_no_file_in_the_container",
        replace(
            OBSERVE,
            LOG_REQUEST,
            LOG_REQUEST + '    require("node:fs").appendFileSync("/tmp/todo.log", `${JSON.stringify(line)}\\n`);\n',
        ),
    ),
    mutant(
        "NOTES.txt with another port",
        "CHT-12",
        "behaviour/test_lifecycle.py::test_notes_command_makes_the_frontend_answer",
        replace(NOTES, "{{ $port }}:{{ $servicePort }}", "{{ $port }}:{{ add $servicePort 1 }}"),
    ),
    mutant(
        "pods that every upgrade replaces",
        "CHT-13",
        "behaviour/test_lifecycle.py::test_upgrade_with_the_same_values_changes_nothing",
        replace(HELPERS, "checksum/config: {{", "rolled: {{ randAlphaNum 8 | quote }}\nchecksum/config: {{"),
    ),
    mutant(
        "selector with the version of the application",
        "CHT-13",
        "behaviour/test_upgrade.py::test_upgrade_under_traffic_fails_no_request",
        replace(HELPERS, SELECTOR, f"{SELECTOR}app.kubernetes.io/version: {{{{ .root.Chart.AppVersion | quote }}}}\n"),
    ),
    mutant(
        "no preStop and no drain, at an upgrade of the chart",
        "STA-08",
        "behaviour/test_upgrade.py::test_upgrade_under_traffic_fails_no_request",
        *DROPPING,
    ),
    mutant(
        "process that does not start again beside its own files",
        "STA-09",
        "behaviour/test_node_restart.py::test_pods_are_ready_again_after_a_node_restart",
        replace(MAIN, BEGIN, BEGIN + START_ONCE),
    ),
    mutant(
        "ConfigMap that uninstall keeps",
        "CHT-14",
        "behaviour/test_lifecycle.py::test_uninstall_removes_everything_but_the_data",
        replace(CONFIG_MAP, "  labels:\n", "  annotations:\n    helm.sh/resource-policy: keep\n  labels:\n"),
    ),
    mutant(
        "maxUnavailable 1: old pods end before new ones are Ready",
        "DEP-11",
        "behaviour/test_bad_rollout.py::test_old_pods_serve_while_the_image_cannot_be_pulled",
        ONE_UNAVAILABLE,
    ),
    mutant(
        "unready pods receive requests",
        "POD-19",
        "behaviour/test_rollout.py::test_no_request_reaches_a_pod_before_it_is_ready",
        PUBLISHED_UNREADY,
    ),
    mutant(
        "deleted pods that drop their requests",
        "STA-09",
        "behaviour/test_kills.py::test_graceful_deletion_fails_no_request",
        *DROPPING,
    ),
    mutant(
        "pods that drop requests when the autoscaler removes them",
        "HPA-12",
        "behaviour/test_autoscaling.py::test_no_request_fails_while_scaling",
        *DROPPING,
    ),
    mutant(
        "requests are still sent to a paused pod",
        "POD-10",
        "behaviour/test_freeze.py::test_requests_fail_only_until_paused_pod_is_unready",
        tcp_probe("readiness"),
    ),
    mutant(
        "changed ConfigMap that drops requests",
        "STA-08",
        "behaviour/test_changed_config_map.py::test_changed_config_map_fails_no_request",
        *DROPPING,
    ),
    mutant(
        "rotated Secret that drops requests",
        "STA-08",
        "behaviour/test_rotated_secret.py::test_rotated_secret_fails_no_request",
        *DROPPING,
    ),
    mutant(
        "rollback that drops requests",
        "STA-08",
        "behaviour/test_changed_config_map.py::test_rollback_fails_no_request",
        *DROPPING,
    ),
    mutant(
        "maxUnavailable 1: old pods end before new ones crash",
        "DEP-11",
        "behaviour/test_bad_rollout.py::test_old_pods_serve_while_the_image_crashes",
        ONE_UNAVAILABLE,
    ),
    mutant(
        "new replicas that take forty seconds to start",
        "HPA-09",
        "behaviour/test_autoscaling.py::test_each_scale_up_phase_is_within_its_budget",
        SLOW_START,
    ),
    mutant(
        "backend that exits as soon as it starts",
        "CHT-11",
        "behaviour/test_release.py::test_pods_are_ready_within_three_minutes",
        replace(MAIN, BEGIN, BEGIN + "    sys.exit(3)\n"),
    ),
    mutant(
        "pods that become unready for a while after they were Ready",
        "DEP-10",
        "behaviour/test_rollout.py::test_surge_and_unavailability_stay_within_bounds",
        replace(APP, "import logging\n", "import logging\nimport time\n\nANSWERED: list[float] = []\n"),
        replace(
            APP,
            '        return {"status": "ok"}\n',
            # Counted from the first response, which makes the pod Ready however long its start took.
            "        ANSWERED.append(time.monotonic())\n"
            "        if 6 < ANSWERED[-1] - ANSWERED[0] < 26:\n"
            '            return JSONResponse({"status": "resting"}, 503)\n'
            '        return {"status": "ok"}\n',
        ),
    ),
    mutant(
        "ConfigMap that a rollback does not restore",
        "DEP-08",
        "behaviour/test_changed_config_map.py::test_rollback_restores_the_earlier_config_map",
        replace(
            CONFIG_MAP,
            "  labels:\n",
            "  annotations:\n"
            "    helm.sh/hook: pre-install,pre-upgrade\n"
            "    helm.sh/resource-policy: keep\n"
            # With these the release can adopt it when it is one of its objects again.
            "    meta.helm.sh/release-name: {{ .Release.Name }}\n"
            "    meta.helm.sh/release-namespace: {{ .Release.Namespace }}\n"
            "  labels:\n",
        ),
    ),
    mutant(
        "killed process that fails once more before it serves",
        "STA-09",
        "behaviour/test_kills.py::test_killed_process_is_restarted_once_in_its_pod",
        replace(
            MAIN,
            BEGIN,
            BEGIN + '    with open("/tmp/lives", "a") as lives:\n'
            '        lives.write("x")\n'
            "        if lives.tell() == 2:\n"
            "            sys.exit(1)\n",
        ),
    ),
    mutant(
        "users are refused after a thousand tasks",
        "STA-09",
        "behaviour/test_kills.py::test_every_outage_ends",
        replace(TASKS, "from sqlalchemy import delete,", "from sqlalchemy import delete, func,"),
        replace(
            TASKS,
            CREATE,
            CREATE + "        count = await session.scalar(select(func.count()).where(Task.user_id == owner))\n"
            "        if count >= 1000:\n"
            '            raise HTTPException(507, "these are enough")\n',
        ),
    ),
    mutant(
        "killed pod that stays an endpoint, and starts in fifteen seconds",
        "STA-09",
        "behaviour/test_kills.py::test_every_outage_ends",
        PUBLISHED_UNREADY,
        replace(MAIN, "    server.run()\n", "    import time\n\n    time.sleep(15)\n    server.run()\n"),
    ),
    mutant(
        "one write of twenty takes five seconds",
        "STA-12",
        "behaviour/test_rest.py",
        replace(TASKS, "from fastapi import", "import asyncio\nimport random\n\nfrom fastapi import"),
        replace(TASKS, CREATE, CREATE + "        await asyncio.sleep(5 * (random.random() < 0.05))\n"),
    ),
    mutant(
        "one write of fifty is refused while nothing is disturbed",
        "STA-08",
        "behaviour/test_every_experiment.py::test_no_request_fails_while_nothing_is_disturbed",
        replace(TASKS, "from fastapi import", "import random\n\nfrom fastapi import"),
        replace(
            TASKS,
            CREATE,
            CREATE + '        if random.random() < 0.02:\n            raise HTTPException(503, "not now")\n',
        ),
        experiment="behaviour/test_balance.py::test_load_is_balanced_over_ready_pods",
    ),
    mutant(
        "process that ends by itself after 250 tasks",
        "POD-05",
        "behaviour/test_every_experiment.py::test_nothing_restarts_or_becomes_unready_by_itself",
        replace(TASKS, "from fastapi import", "import os\n\nfrom fastapi import"),
        replace(TASKS, "router = APIRouter(", "CREATED: list[str] = []\nrouter = APIRouter("),
        replace(
            TASKS,
            CREATE,
            CREATE + "        CREATED.append(owner)\n        if len(CREATED) > 250:\n            os._exit(3)\n",
        ),
        experiment="behaviour/test_balance.py::test_load_is_balanced_over_ready_pods",
    ),
    mutant(
        "file that each request leaves open",
        "STA-14",
        HELD,
        replace(
            MIDDLEWARE,
            '            log.info("request", extra={"fields": fields})\n',
            '            log.info("request", extra={"fields": fields})\n'
            '            self.__dict__.setdefault("files", []).append(open("/proc/self/status"))\n',
        ),
    ),
    mutant(
        "thread that each request leaves behind",
        "STA-14",
        HELD,
        replace(MIDDLEWARE, "import logging\n", "import logging\nimport threading\n"),
        replace(
            MIDDLEWARE,
            '            log.info("request", extra={"fields": fields})\n',
            '            log.info("request", extra={"fields": fields})\n'
            "            threading.Thread(target=threading.Event().wait, daemon=True).start()\n",
        ),
    ),
    mutant(
        "log copied to a file in an emptyDir",
        "STA-14",
        HELD,
        replace(
            "dockerfiles/backend.Dockerfile",
            'CMD ["python3", "-m", "todo_backend"]\n',
            'CMD ["bash", "-c", "exec python3 -m todo_backend > >(tee -a /tmp/backend.log)"]\n',
        ),
    ),
    mutant(
        "idle connections are closed after three seconds",
        "STA-12",
        "behaviour/test_idle_connections.py::test_idle_connection_still_serves",
        replace(SERVER, "KEEP_ALIVE_SECONDS = 75", "KEEP_ALIVE_SECONDS = 3"),
    ),
    mutant(
        "frontend that loses a request after idle time",
        "STA-08",
        "behaviour/test_idle_connections.py::test_page_is_served_after_idle_time",
        replace(BACKEND_CLIENT, "const CHAT_MILLISECONDS", "let last = Date.now();\nconst CHAT_MILLISECONDS"),
        replace(
            BACKEND_CLIENT,
            "  request.end(payload);\n",
            '  if (Date.now() - last > 8_000) request.destroy(new Error("socket hang up"));\n'
            "  last = Date.now();\n  request.end(payload);\n",
        ),
    ),
    mutant(
        "chat turns in flight are dropped a second after the drain",
        "STA-09",
        "behaviour/test_in_flight.py",
        replace(SERVER, "timeout_graceful_shutdown=round(finish_seconds)", "timeout_graceful_shutdown=1"),
    ),
    mutant(
        "changed setting other than ENVIRONMENT that no pod receives",
        "CFG-10",
        "behaviour/test_changed_config_map.py::test_changed_config_map_reaches_new_pods",
        replace(HELPERS, '"DEBUG" (toString $values.config.debug)', '"DEBUG" "false"'),
    ),
    mutant(
        "key of the model that is never rotated",
        "SEC-11",
        "behaviour/test_rotated_secret.py::test_rotated_secret_reaches_new_pods",
        replace(HELPERS, '"OPENAI_API_KEY" ($secrets.openaiApiKey | default "")', '"OPENAI_API_KEY" "sk-proj-first"'),
    ),
)
