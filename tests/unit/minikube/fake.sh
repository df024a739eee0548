#!/bin/sh
# Answers as Minikube did on a machine without a registry; the folder of this script has its outputs.
# ANSWERS/start names the output of `start`, ANSWERS/status that of `status`; both hold the exit code too.
echo "minikube $* MINIKUBE_HOME=$MINIKUBE_HOME KUBECONFIG=$KUBECONFIG" >> "$FAKE_LOG"
command=$1
profile=
for word; do
    case "$word" in
    --*)
        grep -qF -e " ${word%%=*} " -e " ${word%%=*}=" "$FAKE_DATA/$command-flags.txt" || {
            echo "Error: unknown flag: ${word%%=*}" >&2
            exit 80
        }
        ;;
    esac
    case "$previous" in --profile | -p) profile=$word ;; esac
    previous=$word
done
replay() {
    sed "s/PROFILE/$profile/g" "$FAKE_DATA/$1.out"
    sed "s/PROFILE/$profile/g" "$FAKE_DATA/$1.err" >&2
}
case "$command" in
start)
    replay "$FAKE_START"
    [ "$FAKE_START" = start ] || exit "$(cat "$FAKE_DATA/$FAKE_START.code")"
    echo "current-context: $profile" > "$KUBECONFIG"
    ;;
status)
    replay "$FAKE_STATUS"
    exit "$(cat "$FAKE_DATA/$FAKE_STATUS.code")"
    ;;
delete)
    replay delete
    ;;
version)
    echo v1.38.1
    ;;
esac
