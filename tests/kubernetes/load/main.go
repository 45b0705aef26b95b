// SPDX-License-Identifier: Apache-2.0

// load makes many objects on an API server and changes them fast, and says whether an agent that
// follows that server has the same picture, and how late it had it.
//
//	load fill     -services N -endpoints N [-rules N] [-pods N]
//	load churn    -services N -endpoints N -rate N -for DURATION [-flap NAMESPACE/POD]
//	load lag      -socket PATH -rule NAMESPACE/NAME -changes N -within DURATION
//	load compare  -socket PATH -within DURATION
//
// Every one of them takes -kubeconfig FILE.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// What a command may ask for; each reads its own of them.
type options struct {
	kubeconfig string
	services   int
	endpoints  int     // of each Service
	rules      int     // so many of the Services have a VirtualService and a DestinationRule
	pods       int     // so many of the endpoints have a Pod
	rate       float64 // changes a second
	duration   time.Duration
	flap       string
	socket     string
	rule       string
	changes    int
	within     time.Duration
}

func read(arguments []string) options {
	var o options
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "`file` that says how to reach the API server")
	flags.IntVar(&o.services, "services", 100, "Services, each with one EndpointSlice")
	flags.IntVar(&o.endpoints, "endpoints", 10, "endpoints of each Service")
	flags.IntVar(&o.rules, "rules", 0, "Services that have a VirtualService and a DestinationRule")
	flags.IntVar(&o.pods, "pods", 0, "endpoints that have a Pod; the rules of their Services go by subsets")
	flags.Float64Var(&o.rate, "rate", 1000, "changes a second")
	flags.DurationVar(&o.duration, "for", 20*time.Second, "how long to make changes")
	flags.StringVar(&o.flap, "flap", "", "`namespace/pod` whose readiness changes five times a second")
	flags.StringVar(&o.socket, "socket", "", "the agent's socket")
	flags.StringVar(&o.rule, "rule", "", "`namespace/name` of the VirtualService to wait for")
	flags.IntVar(&o.changes, "changes", 10, "how many changes of it to wait for")
	flags.DurationVar(&o.within, "within", 30*time.Second, "how long to wait at most")
	_ = flags.Parse(arguments) // ends the program on an error
	return o
}

// The API server, by three clients of the same user.
type server struct {
	config  *rest.Config // JSON, as an agent reads it
	typed   *kubernetes.Clientset
	dynamic *dynamic.DynamicClient
}

func connect(kubeconfig string) (server, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return server{}, err
	}
	config.QPS, config.Burst = 1e6, 1e6
	fast := rest.CopyConfig(config)
	fast.ContentType = "application/vnd.kubernetes.protobuf"
	typed, err := kubernetes.NewForConfig(fast)
	if err != nil {
		return server{}, err
	}
	untyped, err := dynamic.NewForConfig(config)
	return server{config: config, typed: typed, dynamic: untyped}, err
}

// A client of the agent's API; the host in its URLs is of no meaning.
func agent(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
}

func main() {
	commands := map[string]func(context.Context, server, options) error{
		"fill": fill, "churn": churn, "lag": lag, "compare": compare}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load fill|churn|lag|compare [OPTION...]")
		os.Exit(2)
	}
	o := read(os.Args[2:])
	to, err := connect(o.kubeconfig)
	if err == nil {
		err = commands[os.Args[1]](context.Background(), to, o)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "load %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
