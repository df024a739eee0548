"""Live mutants of isolation: users, writable places, open ports, limits, and a frontend bound to one backend."""

from __future__ import annotations

from mutants.applications import FRONTEND_BACKEND
from mutants.deployments import BACKEND, FRONTEND_SERVICE, HELPERS
from mutants.edits import replace
from mutants.mutant import mutant

DOCKERFILE = "dockerfiles/backend.Dockerfile"
ISOLATION = "behaviour/test_isolation.py"
REPLACED = "behaviour/test_replaced_pods.py"
LIMITS = "behaviour/test_limits.py"
PORT = "    containerPort: {{ int $values.containerPort }}\n"
MIGRATE = (
    '          command: ["python3", "-m", "todo_backend.migrate"]\n'
    '          {{- include "todo-chatbot.containerSettings" $backend | '
)

MUTANTS = (
    mutant(
        "containers of root",
        "SCY-01",
        f"{ISOLATION}::test_every_process_is_an_unprivileged_user",
        replace(HELPERS, "  runAsNonRoot: true\n  runAsUser: 1000\n", "  runAsNonRoot: false\n  runAsUser: 0\n"),
    ),
    mutant(
        "init container of another user",
        "SCY-01",
        f"{REPLACED}::test_init_containers_run_as_the_user",
        replace(
            BACKEND, MIGRATE, MIGRATE + r'replace "  privileged: false" "  privileged: false\n  runAsUser: 1001" | '
        ),
    ),
    mutant(
        "a capability added",
        "SCY-03",
        f"{ISOLATION}::test_every_process_is_an_unprivileged_user",
        replace(HELPERS, "    drop: [ALL]\n", "    drop: [ALL]\n    add: [NET_BIND_SERVICE]\n"),
    ),
    mutant(
        "writable root file system",
        "SCY-02",
        f"{ISOLATION}::test_only_empty_dirs_can_be_written_to",
        replace(HELPERS, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    ),
    mutant(
        "volume that the image declares",
        "SCY-02",
        f"{ISOLATION}::test_only_empty_dirs_can_be_written_to",
        replace(DOCKERFILE, "EXPOSE 8000\n", "VOLUME /var/cache/todo\nEXPOSE 8000\n"),
    ),
    mutant(
        "frontend on a port of every node",
        "SCY-05",
        f"{ISOLATION}::test_every_port_is_closed_on_the_node",
        replace(FRONTEND_SERVICE, "type: ClusterIP", "type: NodePort"),
    ),
    mutant(
        "frontend on a port of its node",
        "SCY-05",
        f"{ISOLATION}::test_every_port_is_closed_on_the_node",
        replace(HELPERS, PORT, PORT + '    {{- if eq .component "frontend" }}\n    hostPort: 18080\n    {{- end }}\n'),
    ),
    mutant(
        "debugger of the frontend open",
        "SCY-11",
        f"{ISOLATION}::test_pod_listens_on_declared_ports_only",
        replace("dockerfiles/frontend.Dockerfile", 'CMD ["node", ', 'CMD ["node", "--inspect=0.0.0.0:9229", '),
    ),
    mutant(
        "folder of the node instead of an emptyDir",
        "PER-07",
        f"{REPLACED}::test_files_of_a_pod_are_gone_with_it",
        replace(
            HELPERS,
            "  emptyDir:\n    sizeLimit: 64Mi\n",
            "  hostPath:\n    path: /var/local/todo\n    type: DirectoryOrCreate\n",
        ),
    ),
    mutant(
        "containers without limits",
        "SCY-04",
        f"{LIMITS}::test_only_the_container_beyond_its_memory_restarts",
        replace(HELPERS, 'list "requests" "limits"', 'list "requests"'),
    ),
    mutant(
        "frontend that exits when a backend pod does",
        "SCY-04",
        f"{LIMITS}::test_only_the_container_beyond_its_memory_restarts",
        replace(
            FRONTEND_BACKEND,
            "    throw new BackendError(503,",
            "    process.exit(1);\n    throw new BackendError(503,",
        ),
    ),
    mutant(
        "backend URL baked into the frontend's image",
        "REL-04",
        "behaviour/test_second_release.py::test_second_release_shows_a_task_of_its_own_backend",
        replace(FRONTEND_BACKEND, "process.env.BACKEND_URL", '"http://todo-backend-service.todo-chatbot:8000"'),
    ),
)
