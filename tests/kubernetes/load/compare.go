// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What is compared: names of objects by kind, and addresses by cluster ("outbound|80|safe|host").
type picture map[string]map[string]bool

func (p picture) add(of, what string) {
	if p[of] == nil {
		p[of] = map[string]bool{}
	}
	p[of][what] = true
}

// The first few differences, as text; empty: there is none.
func (p picture) difference(other picture) string {
	var said []string
	all := maps.Clone(p)
	maps.Copy(all, other)
	for _, of := range slices.Sorted(maps.Keys(all)) {
		if !maps.Equal(p[of], other[of]) {
			said = append(said, fmt.Sprintf("%s: on the server %v, in the agent %v", of,
				slices.Sorted(maps.Keys(p[of])), slices.Sorted(maps.Keys(other[of]))))
		}
	}
	text := strings.Join(said[:min(3, len(said))], "\n")
	return text[:min(len(text), 2000)]
}

// The objects that load itself makes, of one kind.
func isOurs(ns string) bool { return strings.HasPrefix(ns, "team-") }

func ofServer(ctx context.Context, to server) (picture, error) {
	all := picture{}
	pods, err := to.typed.CoreV1().Pods("").List(ctx, meta.ListOptions{})
	if err != nil {
		return nil, err
	}
	labels := map[string]string{}
	for _, one := range pods.Items {
		if isOurs(one.Namespace) {
			all.add("pods", one.Namespace+"/"+one.Name)
			labels[one.Namespace+"/"+one.Name] = one.Labels["version"]
		}
	}
	services, err := to.typed.CoreV1().Services("").List(ctx, meta.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, one := range services.Items {
		if isOurs(one.Namespace) {
			all.add("services", one.Namespace+"/"+one.Name)
		}
	}
	routed, err := ruledHosts(ctx, to, all)
	if err != nil {
		return nil, err
	}
	sliced, err := to.typed.DiscoveryV1().EndpointSlices("").List(ctx, meta.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, one := range sliced.Items {
		if isOurs(one.Namespace) {
			all.add("endpointslices", one.Namespace+"/"+one.Name)
			addEndpoints(all, one, routed, labels)
		}
	}
	return all, nil
}

// Whether the VirtualService of a host goes by subsets, by host.
func ruledHosts(ctx context.Context, to server, all picture) (map[string]bool, error) {
	rules, err := to.dynamic.Resource(virtualServices).List(ctx, meta.ListOptions{})
	if err != nil {
		return nil, err
	}
	routed := map[string]bool{}
	for _, one := range rules.Items {
		if isOurs(one.GetNamespace()) {
			all.add("virtualservices", one.GetNamespace()+"/"+one.GetName())
			text, _ := one.MarshalJSON()
			routed[one.GetName()+"."+one.GetNamespace()] = strings.Contains(string(text), `"subset"`)
		}
	}
	return routed, nil
}

func addEndpoints(all picture, one discovery.EndpointSlice, routed map[string]bool, labels map[string]string) {
	host := one.Labels[discovery.LabelServiceName] + "." + one.Namespace
	subsets, isRouted := routed[host]
	if !isRouted {
		return
	}
	for _, endpoint := range one.Endpoints {
		subset := ""
		if subsets {
			subset = labels[endpoint.TargetRef.Namespace+"/"+endpoint.TargetRef.Name]
		}
		if *endpoint.Conditions.Ready {
			all.add("outbound|80|"+subset+"|"+host+".svc.cluster.local", endpoint.Addresses[0]+":8080")
		}
	}
}

func get(ctx context.Context, client *http.Client, path, accept string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent"+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	answer, err := client.Do(request)
	if err == nil && answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, errors.New(path + ": " + answer.Status)
	}
	return answer, err
}

func ofAgent(ctx context.Context, client *http.Client) (picture, error) {
	all := picture{}
	for _, path := range []string{"/api/v1/pods", "/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices",
		"/apis/networking.istio.io/v1/virtualservices"} {
		answer, err := get(ctx, client, path, "application/json")
		if err != nil {
			return nil, err
		}
		var list struct {
			Items []struct {
				Metadata struct{ Namespace, Name string }
			}
		}
		err = json.NewDecoder(answer.Body).Decode(&list)
		answer.Body.Close()
		if err != nil {
			return nil, err
		}
		for _, one := range list.Items {
			if isOurs(one.Metadata.Namespace) {
				all.add(path[strings.LastIndex(path, "/")+1:], one.Metadata.Namespace+"/"+one.Metadata.Name)
			}
		}
	}
	return all, addImage(ctx, client, all)
}

// What the kernel's tables hold, as `vsplit get image` prints it.
func addImage(ctx context.Context, client *http.Client, all picture) error {
	answer, err := get(ctx, client, "/apis/vsplit.io/v1/image", "text/plain")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	cluster := ""
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) > 1 && words[0] == "cluster":
			cluster = words[1]
		case len(words) > 1 && words[0] == "endpoint" && strings.Contains(cluster, ".team-"):
			all.add(cluster, words[1])
		}
	}
	return lines.Err()
}

// compare returns when the agent has the server's objects, and the kernel their ready endpoints and
// no other.
func compare(ctx context.Context, to server, o options) error {
	wanted, err := ofServer(ctx, to)
	if err != nil {
		return err
	}
	for until := time.Now().Add(o.within); ; time.Sleep(100 * time.Millisecond) {
		got, err := ofAgent(ctx, agent(o.socket))
		if err != nil {
			return err
		}
		difference := wanted.difference(got)
		if difference == "" {
			return sayEqual(wanted)
		}
		if time.Now().After(until) {
			return errors.New("the agent has another picture:\n" + difference)
		}
	}
}

func sayEqual(all picture) error {
	clusters, endpoints := 0, 0
	for of, what := range all {
		if strings.HasPrefix(of, "outbound|") {
			clusters++
			endpoints += len(what)
		}
	}
	if endpoints == 0 {
		return errors.New("there is nothing to compare")
	}
	fmt.Printf("%d endpoints in %d clusters, and %d Pods, are the server's\n", endpoints, clusters, len(all["pods"]))
	return nil
}
