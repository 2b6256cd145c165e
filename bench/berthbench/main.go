// Command berthbench runs the workloads of package bench against a built berth.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"berth/bench"
	"berth/bench/cold"
	"berth/bench/deploying"
)

const usage = `usage: berthbench serve|deploy|cold|migrate [flags]
  serve    CPU per request of the edge against a constant-response fasthttp server
  deploy   a large site, first and again with one file changed
  cold     the first request for a deployment, nothing of it in memory
  migrate  the tables of the old design against route records: time, hit rates, disk; the backfill; shadow reads`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "berthbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no workload\n%s", usage)
	}
	switch args[0] {
	case "serve":
		return serve(ctx, args[1:])
	case "deploy":
		return deploy(ctx, args[1:])
	case "cold":
		return first(ctx, args[1:])
	case "migrate":
		return migrate(ctx, args[1:])
	case "constant": // the other side of serve, as a process of its own
		size, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return bench.Constant(size, args[2])
	}
	return fmt.Errorf("unknown workload %q\n%s", args[0], usage)
}

func serve(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	c := bench.ServeConfig{}
	f.StringVar(&c.Berth, "berth", "bin/berth", "the binary to measure")
	f.IntVar(&c.Size, "size", 1024, "bytes of the file")
	f.IntVar(&c.Rounds, "rounds", 5, "measurements of each side")
	f.IntVar(&c.Conns, "conns", 16, "keep-alive connections")
	f.DurationVar(&c.Duration, "duration", 3*time.Second, "length of one measurement")
	if err := f.Parse(args); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c.Self = self
	rep, err := bench.Serve(ctx, c)
	if err != nil {
		return err
	}
	fmt.Print(rep)
	return nil
}

func deploy(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("deploy", flag.ContinueOnError)
	c := deploying.Config{}
	f.StringVar(&c.Berth, "berth", "bin/berth", "the binary to measure")
	f.IntVar(&c.Files, "files", 20000, "files of the site")
	f.IntVar(&c.Size, "size", 4096, "bytes of each")
	f.IntVar(&c.Rounds, "rounds", 5, "deploys of each side")
	f.StringVar(&c.Wrangler, "wrangler", "testdata/wrangler/node_modules/wrangler/bin/wrangler.js", "wrangler's script (.ci/need wrangler); empty: without")
	f.StringVar(&c.Node, "node", "node", "what runs it")
	if err := f.Parse(args); err != nil {
		return err
	}
	for _, path := range []*string{&c.Berth, &c.Wrangler} { // commands run elsewhere
		if *path == "" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	rep, err := deploying.Run(ctx, c)
	if err != nil {
		return err
	}
	if err := bench.WriteRows(os.Stdout, rep.Rows()); err != nil {
		return err
	}
	fmt.Printf("\n%s", rep)
	return nil
}

func first(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("cold", flag.ContinueOnError)
	c := cold.Config{}
	f.StringVar(&c.Berth, "berth", "bin/berth", "the binary to measure; empty: only by its steps")
	f.StringVar(&c.Data, "data", "", "data directory to measure in, which gets some deployments more; default a new one")
	f.StringVar(&c.Domain, "domain", "pages.localhost", "its domain")
	f.IntVar(&c.Hosts, "hosts", 1_000_000, "hosts in a new one")
	f.IntVar(&c.Files, "files", 20_000, "files of each deployment")
	f.IntVar(&c.Rounds, "rounds", 15, "deployments of each kind")
	if err := f.Parse(args); err != nil {
		return err
	}
	rep, err := cold.Run(ctx, c)
	if err != nil {
		return err
	}
	if err := bench.WriteRows(os.Stdout, rep.Rows()); err != nil {
		return err
	}
	fmt.Printf("\n%s", rep)
	return nil
}
