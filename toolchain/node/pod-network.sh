#!/bin/sh
# The network of this node's pods: their addresses are of the node's podCIDR, which the cluster assigns. It is what
# kindnet does in kind's own node image; default-cni.yaml has the other half, the routes to the pods of other nodes.
set -eu
pods=10.244.0.0/16
configuration=/etc/cni/net.d/10-ptp.conflist
credentials=/etc/kubernetes/kubelet.conf

if [ -e "$configuration" ]; then # the node was restarted
  own=$(jq --raw-output '.plugins[0].ipam.ranges[0][0].subnet' "$configuration")
else
  until [ -e "$credentials" ] \
    && own=$(kubectl --kubeconfig "$credentials" get node "$(hostname)" -o 'jsonpath={.spec.podCIDR}') \
    && [ -n "$own" ]; do
    sleep 0.5
  done
  sed "s|SUBNET|$own|" /kind/ptp.conflist > "$configuration.new"
  mv "$configuration.new" "$configuration"
fi
iptables -t nat -A POSTROUTING -s "$own" ! -d "$pods" -j MASQUERADE
