// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	namespaces = 20
	workers    = 32
)

var (
	virtualServices  = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	destinationRules = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}
)

func pointer[T any](value T) *T { return &value }

func namespaceOf(service int) string { return fmt.Sprintf("team-%02d", service%namespaces) }
func nameOf(service int) string      { return fmt.Sprintf("service-%05d", service) }
func podOf(service, n int) string    { return fmt.Sprintf("%s-6d4b75cb6d-h8q%02d", nameOf(service), n) }
func versionOf(n int) string         { return []string{"safe", "risky"}[n%2] }
func hostOf(service int) string {
	return nameOf(service) + "." + namespaceOf(service) + ".svc.cluster.local"
}
func addressOf(number int) string {
	return fmt.Sprintf("10.%d.%d.%d", 100+number>>16, number>>8&255, number&255)
}
func nodeOf(number int) string { return fmt.Sprintf("node-%04d", number%100) }
func uidOf(number int) types.UID {
	return types.UID(fmt.Sprintf("6f750cd3-e85e-4bbc-a3ba-%012d", number))
}

// parallel calls what for every number below count; the first error is returned.
func parallel(count int, what func(int) error) error {
	var next atomic.Int64
	var first error
	var once sync.Once
	var all sync.WaitGroup
	for range workers {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				if err := what(i); err != nil {
					once.Do(func() { first = err })
					return
				}
			}
		}()
	}
	all.Wait()
	return first
}

// Of the shape, and with the fields, that objects have in a cluster with Helm and controllers.
func service(i int) *core.Service {
	return &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: nameOf(i), Labels: map[string]string{"app.kubernetes.io/name": nameOf(i), "app.kubernetes.io/managed-by": "Helm"},
			Annotations: map[string]string{"meta.helm.sh/release-name": "release", "meta.helm.sh/release-namespace": namespaceOf(i)}},
		// Without a selector, so that the EndpointSlices are ours and no controller's.
		Spec: core.ServiceSpec{Ports: []core.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}}}}
}

func endpoint(i, n, number int) discovery.Endpoint {
	return discovery.Endpoint{
		Addresses: []string{addressOf(number)}, NodeName: pointer(nodeOf(number)), Zone: pointer("zone-a"),
		Conditions: discovery.EndpointConditions{Ready: pointer(true), Serving: pointer(true), Terminating: pointer(false)},
		TargetRef:  &core.ObjectReference{Kind: "Pod", Namespace: namespaceOf(i), Name: podOf(i, n), UID: uidOf(number)}}
}

func slice(i, endpoints int) *discovery.EndpointSlice {
	made := &discovery.EndpointSlice{
		ObjectMeta: meta.ObjectMeta{Name: nameOf(i) + "-x7k2p", GenerateName: nameOf(i) + "-",
			Labels:      map[string]string{discovery.LabelServiceName: nameOf(i), discovery.LabelManagedBy: "load.vsplit.io"},
			Annotations: map[string]string{"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"}},
		AddressType: discovery.AddressTypeIPv4,
		Ports:       []discovery.EndpointPort{{Name: pointer("http"), Port: pointer(int32(8080)), Protocol: pointer(core.ProtocolTCP)}}}
	for n := range endpoints {
		made.Endpoints = append(made.Endpoints, endpoint(i, n, i*endpoints+n))
	}
	return made
}

func pod(i, n int) *core.Pod {
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: podOf(i, n), GenerateName: nameOf(i) + "-6d4b75cb6d-",
			Labels: map[string]string{"app.kubernetes.io/name": nameOf(i), "pod-template-hash": "6d4b75cb6d", "version": versionOf(n)}},
		Spec: core.PodSpec{NodeName: nodeOf(i + n), AutomountServiceAccountToken: pointer(false),
			Containers: []core.Container{{Name: "app", Image: "registry.example/team/" + nameOf(i) + ":v1.2.3",
				Ports:          []core.ContainerPort{{Name: "http", ContainerPort: 8080}},
				Env:            []core.EnvVar{{Name: "LOG_LEVEL", Value: "info"}},
				ReadinessProbe: &core.Probe{ProbeHandler: core.ProbeHandler{HTTPGet: &core.HTTPGetAction{Path: "/ready", Port: intstr.FromString("http")}}}}}}}
}

func runningStatus(i int, address string) core.PodStatus {
	now := meta.Now()
	status := core.PodStatus{Phase: core.PodRunning, HostIP: "192.168.0.1", HostIPs: []core.HostIP{{IP: "192.168.0.1"}},
		PodIP: address, PodIPs: []core.PodIP{{IP: address}}, StartTime: &now, QOSClass: core.PodQOSBestEffort,
		ContainerStatuses: []core.ContainerStatus{{Name: "app", Ready: true, Started: pointer(true), Image: "registry.example/team/" + nameOf(i) + ":v1.2.3",
			ImageID:     "registry.example/team/" + nameOf(i) + "@sha256:" + strings.Repeat("ab", 32),
			ContainerID: "containerd://" + strings.Repeat("cd", 32), State: core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: now}}}}}
	for _, condition := range []core.PodConditionType{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"} {
		status.Conditions = append(status.Conditions, core.PodCondition{Type: condition, Status: core.ConditionTrue, LastTransitionTime: now})
	}
	return status
}

func object(kind string, i int, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": kind,
		"metadata": map[string]any{"name": nameOf(i), "namespace": namespaceOf(i)}, "spec": spec}}
}

// Of a Service whose endpoints have Pods; of others the rules go without subsets.
func destinationRule(i int, subsets bool) *unstructured.Unstructured {
	if !subsets {
		return object("DestinationRule", i, map[string]any{"host": hostOf(i),
			"trafficPolicy": map[string]any{"loadBalancer": map[string]any{"simple": "ROUND_ROBIN"}}})
	}
	subset := func(name string) any {
		return map[string]any{"name": name, "labels": map[string]any{"version": name}}
	}
	return object("DestinationRule", i, map[string]any{"host": hostOf(i), "subsets": []any{subset("safe"), subset("risky")}})
}

func virtualService(i int, subsets bool) *unstructured.Unstructured {
	route := []any{map[string]any{"destination": map[string]any{"host": hostOf(i)}}}
	if subsets {
		route = []any{
			map[string]any{"destination": map[string]any{"host": hostOf(i), "subset": "safe"}, "weight": int64(90)},
			map[string]any{"destination": map[string]any{"host": hostOf(i), "subset": "risky"}, "weight": int64(10)}}
	}
	return object("VirtualService", i, map[string]any{"hosts": []any{hostOf(i)}, "http": []any{map[string]any{"route": route}}})
}

// Everything that fill is asked for, in the order in which a cluster gets it.
func fill(ctx context.Context, to server, o options) error {
	make := func(what string, count int, create func(int) error) error {
		began := time.Now()
		if err := parallel(count, create); err != nil {
			return fmt.Errorf("make %s: %w", what, err)
		}
		fmt.Printf("made %d %s in %.0f s\n", count, what, time.Since(began).Seconds())
		return nil
	}
	for i := range namespaces {
		_, err := to.typed.CoreV1().Namespaces().Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: namespaceOf(i)}}, meta.CreateOptions{})
		if err != nil {
			return err
		}
		// Without one there are no Pods; a controller may be faster.
		_, err = to.typed.CoreV1().ServiceAccounts(namespaceOf(i)).Create(ctx, &core.ServiceAccount{ObjectMeta: meta.ObjectMeta{Name: "default"}}, meta.CreateOptions{})
		if err != nil && !errors.IsAlreadyExists(err) {
			return err
		}
	}
	if err := make("Services", o.services, func(i int) error {
		_, err := to.typed.CoreV1().Services(namespaceOf(i)).Create(ctx, service(i), meta.CreateOptions{})
		return err
	}); err != nil {
		return err
	}
	if err := make("EndpointSlices", o.services, func(i int) error {
		_, err := to.typed.DiscoveryV1().EndpointSlices(namespaceOf(i)).Create(ctx, slice(i, o.endpoints), meta.CreateOptions{})
		return err
	}); err != nil {
		return err
	}
	if err := make("Pods", o.pods, func(number int) error {
		i, n := number/o.endpoints, number%o.endpoints
		made, err := to.typed.CoreV1().Pods(namespaceOf(i)).Create(ctx, pod(i, n), meta.CreateOptions{})
		if err == nil {
			made.Status = runningStatus(i, addressOf(number))
			_, err = to.typed.CoreV1().Pods(namespaceOf(i)).UpdateStatus(ctx, made, meta.UpdateOptions{})
		}
		return err
	}); err != nil {
		return err
	}
	return make("VirtualServices with their DestinationRules", o.rules, func(i int) error {
		subsets := i*o.endpoints < o.pods
		_, err := to.dynamic.Resource(destinationRules).Namespace(namespaceOf(i)).Create(ctx, destinationRule(i, subsets), meta.CreateOptions{})
		if err == nil {
			_, err = to.dynamic.Resource(virtualServices).Namespace(namespaceOf(i)).Create(ctx, virtualService(i, subsets), meta.CreateOptions{})
		}
		return err
	})
}
