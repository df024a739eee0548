#!/bin/sh
# Answers as Minikube 1.38.1 did on a machine without a registry: FAKE_DATA has its outputs, exit codes and flags, FAKE_START
# and FAKE_STATUS name the answers.
echo "minikube $* MINIKUBE_HOME=$MINIKUBE_HOME KUBECONFIG=$KUBECONFIG" >> "$FAKE_LOG"
command=$1
profile=
for word; do
    case "$word" in
    --*)
        grep -qxF -e "${word%%=*}" "$FAKE_DATA/$command.flags" "$FAKE_DATA/global.flags" || {
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
