package blob

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
)

// TestFaultSweep fails every operation of the story in turn. The process goes on: what it acknowledged must be there,
// what it did not must not, nothing may be left behind, and the next try must succeed. Then the power goes.
func TestFaultSweep(t *testing.T) { bothWays(t, faultSweep) }

func faultSweep(t *testing.T, base *simFS) {
	for _, mode := range []faultMode{failBefore, failAfter, failLose} {
		for _, lasts := range []bool{false, true} {
			if lasts && mode == failAfter {
				continue // what is always done and always denied teaches nothing new
			}
			t.Run(fmt.Sprintf("mode=%v/lasts=%v", mode, lasts), func(t *testing.T) {
				for k := 1; sweepFault(t, base, mode, lasts, k); k++ {
				}
			})
		}
	}
}

func sweepFault(t *testing.T, base *simFS, mode faultMode, lasts bool, k int) (more bool) {
	when := fmt.Sprintf("operation %d", k)
	rng := rand.New(rand.NewPCG(uint64(k), uint64(mode)))
	sim, c, l := base.crash(rng), newClock(), newLedger()
	d, err := openSim(sim, c.options())
	if err != nil {
		t.Fatal(err)
	}
	sim.fault = fault{at: sim.ops + k, mode: mode, lasts: lasts}
	story(d, sim, c, l)
	sim.fault = fault{}
	l.explained(t, when)
	l.hidden(t, when, d)
	l.check(t, when, d)
	if sim.handleCount != 0 {
		t.Fatalf("%s: %d files left open", when, sim.handleCount)
	}
	if left := sim.temps(); len(left) > 0 && sim.fired != "remove" && !lasts {
		t.Fatalf("%s, %s: temporaries left: %v", when, sim.fired, left)
	}
	if st := d.Stats(); st.InDoubt > 0 && sim.fired != "remove" && !lasts {
		t.Fatalf("%s, %s: %d names were not taken back", when, sim.fired, st.InDoubt)
	}
	if rng.IntN(2) == 0 { // half of the time the client tries again first
		l.errs = nil
		story(d, sim, c, l)
		if len(l.errs) > 0 {
			t.Fatalf("%s: again: %v", when, l.errs)
		}
		l.check(t, when+", again", d)
	}
	reopen(t, k, when+", then power loss", sim.crash(rng), c, l)
	return sim.fired != ""
}

// TestPowerLossSweep takes the power away before every operation of the story in turn.
func TestPowerLossSweep(t *testing.T) { bothWays(t, powerLossSweep) }

func powerLossSweep(t *testing.T, base *simFS) {
	for k, more := 1, true; more; k++ {
		for seed := range uint64(2) {
			when := fmt.Sprintf("operation %d, seed %d", k, seed)
			rng := rand.New(rand.NewPCG(uint64(k), seed))
			sim, c, l := base.crash(rng), newClock(), newLedger()
			d, err := openSim(sim, c.options())
			if err != nil {
				t.Fatal(err)
			}
			sim.fault = fault{at: sim.ops + k, mode: powerOff}
			story(d, sim, c, l)
			more = sim.fired != ""
			l.explained(t, when)
			reopen(t, k, when, sim.crash(rng), c, l)
		}
	}
}

// TestOpenSweep fails, and takes the power away before, every operation of opening a directory that a crash has left with
// blobs and temporaries. What it held must be there once it opens.
func TestOpenSweep(t *testing.T) { bothWays(t, openSweep) }

func openSweep(t *testing.T, base *simFS) {
	c, l := newClock(), newLedger()
	d, err := openSim(base, c.options())
	if err != nil {
		t.Fatal(err)
	}
	deploy(d, l, blobOf("held", 100), blobOf("held too", 2*maxBuffer))
	w, _ := d.NewBatch().Create()
	if _, err := w.Write(blobOf("torn", 2*maxBuffer)); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []faultMode{failBefore, failAfter, failLose, powerOff} {
		for k, more := 1, true; more; k += 1 + k%13 {
			when := fmt.Sprintf("mode %v, operation %d", mode, k)
			rng := rand.New(rand.NewPCG(uint64(k), uint64(mode)))
			sim := base.crash(rng)
			sim.fault = fault{at: k, mode: mode}
			_, err := openSim(sim, c.options())
			more = sim.fired != ""
			made := sim.fired == "syncAll" && mode != powerOff // good, file by file
			if more && err == nil && !made {
				t.Fatalf("%s: %s failed, and nobody says so", when, sim.fired)
			}
			if err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, errPower) {
				t.Fatalf("%s: the cause is lost: %v", when, err)
			}
			sim = sim.crash(rng)
			d, err := openSim(sim, c.options())
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			l.check(t, when, d)
		}
	}
}

// TestPowerLossDuringConcurrentDeploys takes the power away while two clients store overlapping sets of blobs: the one
// must not be told that a blob is safe which the other has renamed and not synced.
func TestPowerLossDuringConcurrentDeploys(t *testing.T) {
	bothWays(t, powerLossDuringConcurrentDeploys)
}

func powerLossDuringConcurrentDeploys(t *testing.T, base *simFS) {
	for k, more := 1, true; more; k++ {
		for seed := range uint64(4) {
			when := fmt.Sprintf("operation %d, seed %d", k, seed)
			rng := rand.New(rand.NewPCG(uint64(k), seed))
			sim, c, l := base.crash(rng), newClock(), newLedger()
			d, err := openSim(sim, c.options())
			if err != nil {
				t.Fatal(err)
			}
			mode := powerOff
			if seed%2 == 1 {
				mode = failLose
			}
			sim.fault = fault{at: sim.ops + k, mode: mode}
			var clients sync.WaitGroup
			for _, own := range []string{"one", "other"} {
				clients.Go(func() {
					deploy(d, l, blobOf("shared", 40), blobOf(own, 90), blobOf("shared too", maxBuffer+9))
				})
			}
			clients.Wait()
			more = sim.fired != ""
			l.explained(t, when)
			after := sim.crash(rng)
			d, err = openSim(after, c.options())
			if err != nil {
				t.Fatal(err)
			}
			l.check(t, when, d)
		}
	}
}

// TestKillSweep kills the process, not the machine, before every operation of the story: what it did and had not synced
// is still there for the next one to see, and must not be taken for durable.
func TestKillSweep(t *testing.T) { bothWays(t, killSweep) }

func killSweep(t *testing.T, base *simFS) {
	for k, more := 1, true; more; k++ {
		when := fmt.Sprintf("operation %d", k)
		rng := rand.New(rand.NewPCG(uint64(k), 0))
		sim, c, l := base.crash(rng), newClock(), newLedger()
		d, err := openSim(sim, c.options())
		if err != nil {
			t.Fatal(err)
		}
		sim.fault = fault{at: sim.ops + k, mode: powerOff}
		story(d, sim, c, l)
		more = sim.fired != ""
		sim.fault, sim.dead = fault{}, false
		if d, err = openSim(sim, c.options()); err != nil {
			t.Fatalf("%s: reopen: %v", when, err)
		}
		l.check(t, when, d)
		l.errs = nil
		deploy(d, l, blobOf("small", 100), blobOf("large", maxBuffer+9), blobOf("new", 77))
		if len(l.errs) > 0 {
			t.Fatalf("%s: again: %v", when, l.errs)
		}
		reopen(t, k, when+", killed, then power loss", sim.crash(rng), c, l)
	}
}
