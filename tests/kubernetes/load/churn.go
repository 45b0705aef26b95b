// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What one worker changes: it alone, so that no write meets another.
type share struct {
	to     server
	slices []*discovery.EndpointSlice
	pods   []*core.Pod
	random *rand.Rand
}

// One change as a kubelet or a controller makes it: of ten four of an endpoint's readiness, three of
// a Pod's readiness, three of the label that the subsets go by.
func (s *share) change(ctx context.Context) error {
	kind := s.random.IntN(10)
	if kind < 4 {
		return s.changeSlice(ctx)
	}
	at := s.random.IntN(len(s.pods))
	changed := s.pods[at].DeepCopy()
	pods := s.to.typed.CoreV1().Pods(changed.Namespace)
	var err error
	if kind < 7 {
		flipReady(changed)
		changed, err = pods.UpdateStatus(ctx, changed, meta.UpdateOptions{})
	} else {
		changed.Labels["version"] = versionOf(s.random.IntN(2))
		changed.Labels["changed"] = fmt.Sprint(s.random.Uint32()) // a change in any case
		changed, err = pods.Update(ctx, changed, meta.UpdateOptions{})
	}
	if err == nil {
		s.pods[at] = changed
	}
	return err
}

func (s *share) changeSlice(ctx context.Context) error {
	at := s.random.IntN(len(s.slices))
	changed := s.slices[at].DeepCopy()
	ready := changed.Endpoints[s.random.IntN(len(changed.Endpoints))].Conditions.Ready
	*ready = !*ready
	changed, err := s.to.typed.DiscoveryV1().EndpointSlices(changed.Namespace).Update(ctx, changed, meta.UpdateOptions{})
	if err == nil {
		s.slices[at] = changed
	}
	return err
}

func flipReady(pod *core.Pod) {
	for i := range pod.Status.Conditions {
		condition := &pod.Status.Conditions[i]
		if condition.Type != core.PodReady {
			continue
		}
		if condition.Status == core.ConditionTrue {
			condition.Status = core.ConditionFalse
		} else {
			condition.Status = core.ConditionTrue
		}
	}
}

func shares(ctx context.Context, to server, o options) ([]*share, error) {
	made := make([]*share, workers)
	for i := range made {
		made[i] = &share{to: to, random: rand.New(rand.NewPCG(1, uint64(i)))}
	}
	for i := range o.services {
		of := made[i%workers]
		slice, err := to.typed.DiscoveryV1().EndpointSlices(namespaceOf(i)).Get(ctx, nameOf(i)+"-x7k2p", meta.GetOptions{})
		if errors.IsNotFound(err) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		of.slices = append(of.slices, slice)
		for n := range o.endpoints {
			pod, err := to.typed.CoreV1().Pods(namespaceOf(i)).Get(ctx, podOf(i, n), meta.GetOptions{})
			if err != nil {
				return nil, err
			}
			of.pods = append(of.pods, pod)
		}
	}
	return made, nil
}

// A Pod that some controller's EndpointSlice follows.
func flap(ctx context.Context, to server, name string) error {
	ns, pod, _ := strings.Cut(name, "/")
	pods := to.typed.CoreV1().Pods(ns)
	for {
		one, err := pods.Get(ctx, pod, meta.GetOptions{})
		if err == nil {
			flipReady(one)
			_, err = pods.UpdateStatus(ctx, one, meta.UpdateOptions{})
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Changes at the rate asked for, or as fast as the server answers; the last line is the rate that
// was reached.
func churn(ctx context.Context, to server, o options) error {
	if o.services < workers {
		return fmt.Errorf("at least %d Services are needed, one for each worker", workers)
	}
	all, err := shares(ctx, to, o)
	if err != nil {
		return err
	}
	until, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	began := time.Now()
	var turns, done, failed atomic.Int64
	var last atomic.Value
	var group sync.WaitGroup
	for _, one := range all {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				due := began.Add(time.Duration(float64(turns.Add(1)-1) / o.rate * float64(time.Second)))
				if due.Sub(began) >= o.duration {
					return
				}
				time.Sleep(time.Until(due))
				if until.Err() != nil {
					return
				}
				if err := one.change(ctx); err != nil {
					failed.Add(1)
					last.Store(err.Error())
				} else {
					done.Add(1)
				}
			}
		}()
	}
	flapped := make(chan error, 1)
	go func() {
		if o.flap == "" {
			flapped <- nil
		} else {
			flapped <- flap(until, to, o.flap)
		}
	}()
	group.Wait()
	took := time.Since(began).Seconds()
	if err := <-flapped; err != nil {
		return fmt.Errorf("change %s: %w", o.flap, err)
	}
	if failed.Load() > 0 {
		return fmt.Errorf("%d changes have failed: %s", failed.Load(), last.Load())
	}
	fmt.Printf("%d changes in %.1f s, %.0f a second\n", done.Load(), took, float64(done.Load())/took)
	return nil
}
