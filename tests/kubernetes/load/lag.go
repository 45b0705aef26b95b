// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// A generation of the rule, and when a watcher has heard of it.
type heard struct {
	generation int64
	at         time.Time
}

// watch tells each generation of one VirtualService once, as long as the answer lasts.
func watch(ctx context.Context, client *http.Client, base, rule string, tell chan<- heard) error {
	ns, name, _ := strings.Cut(rule, "/")
	query := url.Values{"watch": {"true"}, "fieldSelector": {"metadata.name=" + name}}
	target := base + "/apis/networking.istio.io/v1/namespaces/" + ns + "/virtualservices?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(target + ": " + answer.Status)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 8<<20)
	before := int64(0)
	for lines.Scan() {
		at := time.Now()
		var event struct {
			Object struct{ Metadata struct{ Generation int64 } }
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return err
		}
		if generation := event.Object.Metadata.Generation; generation != before {
			before = generation
			tell <- heard{generation, at}
		}
	}
	return errors.New("a watch has ended")
}

// From the event, as another watcher of the server has it, until the agent has it in force: it tells
// its own watchers of an object once the kernel has it. Prints the distribution.
func lag(ctx context.Context, to server, o options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := rest.HTTPClientFor(to.config)
	if err != nil {
		return err
	}
	events, forces, ended := make(chan heard), make(chan heard), make(chan error, 2)
	go func() { ended <- watch(ctx, client, to.config.Host, o.rule, events) }()
	go func() { ended <- watch(ctx, agent(o.socket), "http://agent", o.rule, forces) }()

	event, force := map[int64]time.Time{}, map[int64]time.Time{}
	patience := time.After(o.within)
	// The first generation of each watch is as it was before; a later one may be passed over by the
	// agent when the next one is there already.
	for newest := int64(0); len(event) <= o.changes || force[newest].IsZero(); {
		select {
		case one := <-events:
			event[one.generation] = one.at
			newest = max(newest, one.generation)
		case one := <-forces:
			force[one.generation] = one.at
		case err := <-ended:
			return err
		case <-patience:
			return fmt.Errorf("%d changes heard of and %d in force after %v", len(event)-1, len(force)-1, o.within)
		}
	}
	return printLags(event, force)
}

func printLags(event, force map[int64]time.Time) error {
	first := int64(0)
	for generation := range event {
		if first == 0 || generation < first {
			first = generation
		}
	}
	var lags []float64
	within := 0
	for generation, at := range event {
		in, known := force[generation]
		if generation == first || !known {
			continue
		}
		// The agent may be the one whom the server tells first.
		milliseconds := max(0, float64(in.Sub(at).Microseconds())/1000)
		lags = append(lags, milliseconds)
		if milliseconds <= 50 {
			within++
		}
	}
	if len(lags) == 0 {
		return errors.New("no change has come into force by itself")
	}
	slices.Sort(lags)
	of := func(part float64) float64 { return lags[int(part*float64(len(lags)-1))] }
	fmt.Printf("in force after the event, ms: least %.1f, median %.1f, 90 of 100 %.1f, most %.1f; %d of %d within 50 ms\n",
		lags[0], of(0.5), of(0.9), lags[len(lags)-1], within, len(lags))
	return nil
}
