package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/bench"
	"berth/bench/load"
	"berth/bench/peers"
	"berth/bench/serving"
)

const benchServeLong = `Starts Berth and each peer that is installed on one core, and wrk on the other, and compares the processor time
that the kernel charges the server for a request. Turns in which others had the machine are repeated, and not counted.`

// servingFlags are those of all workloads that ask servers for files.
func servingFlags(f *pflag.FlagSet, c *serving.Config, sides, rounds, conns string) {
	f.StringVar(&c.Berth, "berth", "", "`file` of the program to measure; default this one")
	f.StringVar(&c.Other, "other", "", "`file` of another build, measured beside it as berth-other")
	f.StringArrayVar(&c.BerthArgs, "serve-flag", nil, "one more `flag` for berth serve, such as --serve-flag=--body-cache=1GiB (repeatable); for all sites alike default --memory=1536MiB --answer-cache=640MiB")
	f.StringVar(&c.Data, "keep", "", "`directory` to keep the sites in, for the next run; default a temporary one")
	f.IntVar(&c.Sites.Sites, "sites", 200_000, "sites with files of their own, lines of nginx's map")
	f.IntVar(&c.Sites.Hot, "hot", 200, "sites among them that the load asks for")
	f.IntVar(&c.Sites.Hosts, "hosts", 1_000_000, "hosts deployed on Berth")
	f.Uint64Var(&c.Sites.Seed, "seed", 1, "of the sites")
	f.StringSliceVar(&c.Sides, "sides", nil, fmt.Sprintf("servers to measure, of %s; default %s", strings.Join(serving.SideNames(), ", "), sides))
	f.IntVar(&c.Rounds, "rounds", 0, "turns of each side; default "+rounds)
	f.IntVar(&c.Conns, "conns", 0, "keep-alive connections; default "+conns)
	f.IntVar(&c.Nice, "nice", 0, "priority of servers and generator: -20, for root, keeps others away from them")
	f.Float64Var(&c.Others, "others", 0.05, "share of the server's core that others may have in a turn that counts")
}

// complete fills in what no flag says.
func (a *app) complete(c serving.Config) serving.Config {
	c.Self = thisProgram()
	c.Berth = cmp.Or(c.Berth, c.Self)
	c.Progress = func(text string) { a.note("%s", text) }
	return c
}

// thisProgram is a file of it that stays the same while it runs, even if somebody builds another one in its place.
func thisProgram() string { return fmt.Sprintf("/proc/%d/exe", os.Getpid()) }

func benchServeFlags(a *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	c := serving.Config{}
	servingFlags(f, &c, "all that are installed", "9", "64")
	f.StringSliceVar(&c.Files, "files", nil, fmt.Sprintf("files to ask for, of %s; default all", strings.Join(serving.FileNames(), ", ")))
	f.StringSliceVar(&c.Headers, "headers", nil, "requests to send: browser, with 12 fields, bare, or both; default both")
	f.StringSliceVar(&c.Load, "load", nil, "what asks: wrk, for files up to 16 KiB, own, for all, or both; default both")
	f.BoolVar(&c.Uniform, "uniform", true, "ask for all sites alike, too")
	f.DurationVar(&c.Slot, "slot", time.Second, "length of a turn, in whole seconds")
	return func(ctx context.Context) (bench.Report, error) {
		return serving.Run(ctx, a.complete(c))
	}
}

const benchIdleLong = `Opens connections, has each answered once, and looks at the memory of the server while they wait for their next request.`

func benchIdleFlags(a *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	c := serving.Config{}
	servingFlags(f, &c, "berth, nginx-map, lighttpd, caddy, constant", "3", "10000")
	f.DurationVar(&c.Slot, "rest", 5*time.Second, "how long connections rest before memory is looked at")
	return func(ctx context.Context) (bench.Report, error) {
		return serving.Idle(ctx, a.complete(c))
	}
}

const benchBurstLong = `Sends a steady load, ten times as much from one moment to the next, and the steady load again, whether or not the server
keeps up, and looks at how long answers take.`

func benchBurstFlags(a *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	c := serving.Config{}
	servingFlags(f, &c, "berth and nginx-map", "3", "64, and ten times as many in the burst")
	return func(ctx context.Context) (bench.Report, error) {
		return serving.Burst(ctx, a.complete(c))
	}
}

const benchHostsLong = `Starts a server for each number of hosts, and asks them by turns: for a few hot hosts, and for hosts from everywhere alike.
The curves should be flat.`

func benchHostsFlags(a *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	c, numbers := serving.Config{}, []int{}
	f.StringVar(&c.Berth, "berth", "", "`file` of the program to measure; default this one")
	f.StringArrayVar(&c.BerthArgs, "serve-flag", nil, "one more `flag` for berth serve (repeatable)")
	f.StringVar(&c.Data, "keep", "", "`directory` to keep the data in, for the next run; default a temporary one")
	f.IntSliceVar(&numbers, "numbers", []int{1_000, 10_000, 100_000, 1_000_000}, "how many hosts are deployed")
	f.Uint64Var(&c.Sites.Seed, "seed", 1, "of the sites")
	f.IntVar(&c.Rounds, "rounds", 5, "turns of each server")
	f.IntVar(&c.Conns, "conns", 64, "keep-alive connections")
	f.DurationVar(&c.Slot, "slot", time.Second, "length of a turn")
	f.IntVar(&c.Nice, "nice", 0, "priority of servers and generator: -20, for root, keeps others away from them")
	return func(ctx context.Context) (bench.Report, error) {
		return serving.Hosts(ctx, a.complete(c), numbers)
	}
}

const benchProfileLong = `Takes CPU profiles of Berth while it answers as fast as it can, one for each size of file, and compares it with the least
that a server can do on this machine. go tool pprof reads them.`

func benchProfileFlags(a *app, f *pflag.FlagSet) func(context.Context) (bench.Report, error) {
	c, dir := serving.Config{}, ""
	servingFlags(f, &c, "berth and epoll, always", "5", "64")
	f.StringSliceVar(&c.Files, "files", nil, fmt.Sprintf("files to ask for, of %s; default all", strings.Join(serving.FileNames(), ", ")))
	f.BoolVar(&c.Uniform, "uniform", false, "ask for all sites alike, too")
	f.StringVar(&dir, "profiles", "bin/profiles", "`directory` to write the profiles to")
	return func(ctx context.Context) (bench.Report, error) {
		return serving.Profile(ctx, a.complete(c), dir)
	}
}

// newStandInCommand is for the workload serve alone: the parts of it that must be processes of their own.
func newStandInCommand(a *app) *cobra.Command {
	addr, size := "", 0
	c := a.verb("stand-in", []string{"KIND"}, "Serve one answer, with fasthttp (constant) or the least that can be done (epoll), or be the generator", "",
		func(ctx context.Context, args []string) error {
			switch args[0] {
			case "generator":
				return load.Serve(ctx, a.stdin, a.stdout)
			case "constant":
				return peers.Constant(addr, size)
			case "epoll":
				return peers.Epoll(addr, size)
			}
			return wrong("there is no stand-in %q: constant or epoll", args[0])
		})
	c.Flags().StringVar(&addr, "addr", "", "`address` to listen on")
	c.Flags().IntVar(&size, "size", 1024, "`bytes` of the answer")
	c.Hidden = true
	return c
}
