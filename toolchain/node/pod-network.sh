#!/bin/sh
# The pods' network between the nodes: this node's pods get addresses of its podCIDR, and every other node's podCIDR is
# routed to that node. It is what kindnet does in kind's own node image.
set -eu
pods=10.244.0.0/16
configuration=/etc/cni/net.d/10-ptp.conflist
credentials=/etc/kubernetes/kubelet.conf
node=$(hostname)
address='{.status.addresses[?(@.type=="InternalIP")].address}'

get_nodes() {
  kubectl --kubeconfig "$credentials" get nodes "$@" 2> /dev/null
}

until [ -e "$credentials" ] && own=$(get_nodes "$node" -o 'jsonpath={.spec.podCIDR}') && [ -n "$own" ]; do
  sleep 0.2
done
masquerade="POSTROUTING -s $own ! -d $pods -j MASQUERADE"
iptables -t nat -C $masquerade 2> /dev/null || iptables -t nat -A $masquerade
sed "s|SUBNET|$own|" /kind/ptp.conflist > "$configuration.new"
mv "$configuration.new" "$configuration"
while :; do
  get_nodes --watch -o "jsonpath={.metadata.name} $address {.spec.podCIDR}{\"\n\"}" | while read -r name via subnet; do
    if [ "$name" != "$node" ] && [ -n "$subnet" ]; then
      ip route replace "$subnet" via "$via"
    fi
  done || true
  sleep 1
done
