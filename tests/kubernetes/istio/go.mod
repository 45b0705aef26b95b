// Istio's definitions of its kinds, for scripts/test-kubernetes.
module vsplit.io/tests/kubernetes/istio

go 1.23

require istio.io/api v1.31.4
