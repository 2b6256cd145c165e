package serving

import (
	"fmt"
	"strings"

	"berth/bench"
	"berth/bench/peers"
	"berth/migrate/report/plot"
)

// promise is how many times cheaper than another side a request must be.
type promise struct {
	name, file, than string
	must, stretch    float64
}

func promises() []promise {
	return []promise{
		{hotHosts, "1k", "nginx-map", 1.25, 1.6},
		{hotHosts, "10k", "nginx-map", 1.1, 1.4},
		{hotHosts, "100k", "nginx-map", 1, 1.15},
		{hotHosts, "1m", "nginx-map", 1, 1.15},
		{hotHosts, "1k", sideConstant, 0.85, 1.1},
		{uniformHosts, "1k", "nginx-map", 1.3, 1.6},
		{uniformHosts, "1k", "nginx-root", 1.3, 1.6},
		{hotHosts, "1k", "caddy", 8, 0},
		{hotHosts, "10k", "caddy", 8, 0},
	}
}

// Goals are what was promised of what was measured, with browser's headers, asked by wrk where it was.
func (r *Report) Goals() (goals []bench.Goal) {
	for _, p := range promises() {
		found := r.find(p)
		what := fmt.Sprintf("CPU per request, %s, against %s", p.file, p.than)
		if len(found) == 0 {
			goals = append(goals, bench.Reaching(what, bench.AsRatio, p.must, p.stretch, nil).Because("not in this run"))
			continue
		}
		c := found[0]
		what = fmt.Sprintf("CPU per request, %s of %s, %s deployed, against %s", bytesName(c.Size), c.hostsName(), plot.Whole(int64(r.Config.Sites.Hosts)), sideName(p.than))
		why := []string{"asked by " + loadName(c.Load)}
		for _, other := range found[1:] {
			why = append(why, fmt.Sprintf("by %s %s", loadName(other.Load), bench.Times(other.Better(p.than).Median())))
		}
		if x := c.Better("nginx-copy"); p.than == "nginx-map" && len(x) > 0 {
			why = append(why, "without sendfile "+bench.Times(x.Median()))
		}
		goals = append(goals, bench.Reaching(what, bench.AsRatio, p.must, p.stretch, c.Better(p.than)).Because(strings.Join(why, "; ")))
	}
	return append(goals, r.allocationGoal())
}

// allocationGoal is of the size that takes the most. A hundredth of an allocation is the work that a server does beside requests.
func (r *Report) allocationGoal() bench.Goal {
	worst, size := bench.Sample(nil), ""
	for _, c := range r.Comparisons {
		if c.Name == hotHosts && len(c.Allocations) > 0 && (worst == nil || c.Allocations.Median() > worst.Median()) {
			worst, size = c.Allocations, c.File
		}
	}
	g := bench.Reaching("allocations per served request, hit", bench.AsNumber, 0.01, 0, worst)
	if worst == nil {
		return g.Because("not in this run")
	}
	return g.Because("of the whole process, " + size + ", the worst of the sizes")
}

func sideName(side string) string {
	switch side {
	case sideConstant:
		return "a constant answer of fasthttp used the plain way"
	case sideEpoll:
		return "the floor"
	}
	for _, p := range peers.All() {
		if p.Name == side {
			return p.About
		}
	}
	return side
}

// find gives the comparisons that tell whether a promise is kept, the one that counts first.
func (r *Report) find(p promise) (found []*Comparison) {
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		if c.Name == p.name && c.File == p.file && c.Headers == r.Config.Headers[0] && len(c.Better(p.than)) > 0 {
			found = append(found, c)
		}
	}
	return found
}

// Notes say what is compared and what is not.
func (r *Report) Notes() []string {
	notes := []string{
		fmt.Sprintf("Every server runs on core %d and what asks on core %d, by turns in every round. CPU per request is what the kernel charged the server's processes, by the "+
			"scheduler's clock, divided by the answers; `of berth's` is the median of the rounds' ratios, with the least and the most. wrk and the servers are told nothing of each other: "+
			"where the server was not busy for want of requests, the row says so.", r.Cores.Server, r.Cores.Load),
		"What asks is on the same machine. The kernel does the client's half of the loopback too, some of it on the server's account and the same for all. TLS, HTTP/2, logs, slow clients and " +
			"compression are not in it. Files are pictures, which nobody compresses. All servers send the same fields.",
		"The own generator looks for the length and has the kernel throw away the rest, and never sleeps, so that no server pays for waking it. wrk reads 8 KiB at a time, which at 100 KiB and more " +
			"would be what is measured, so it is asked for small files only. `constant` and `epoll` have one answer: no host is looked up and no file found. `epoll` does the least that can be done " +
			"with a connection, and is the floor of this machine.",
	}
	if len(r.Config.BerthArgs) > 0 {
		notes = append(notes, fmt.Sprintf("Berth runs with %s: what others keep of 200,000 sites in the kernel's page cache, without a bound, it keeps in memory of its own. Within the 512 MiB "+
			"that it takes unless told otherwise it has the answers of some 17,000 such files, and opens and reads the others at each request, which took two to three times what nginx takes when it was last measured.",
			strings.Join(r.Config.BerthArgs, " ")))
	}
	if r.Cores.Shared() {
		notes = append(notes, "This machine has ONE core: what asks is in the servers' way.")
	}
	disturbed, turns := 0, 0
	for _, c := range r.Comparisons {
		for _, s := range c.Sides {
			for _, sl := range s.Slots {
				if turns++; sl.Disturbed {
					disturbed++
				}
			}
		}
	}
	notes = append(notes, fmt.Sprintf("%d of %d turns were disturbed three times running by something else on the machine (more than %.0f %% of the server's core, or %.0f %% of the other): they are not counted, "+
		"unless most of a row's are, which it then says.", disturbed, turns, 100*r.Config.Others, 400*r.Config.Others))
	return append(notes, r.Skipped...)
}
