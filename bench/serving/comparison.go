package serving

import (
	"fmt"

	"berth/bench"
	"berth/migrate/report/plot"
)

// Comparison is all sides asked for the same, by turns.
type Comparison struct {
	Name    string // hot, uniform or spread
	Load    string // what asked: wrk or own
	Hosts   int    // that are asked for
	File    string
	Size    int
	Headers string
	Sides   []Series
	// Allocations of Berth for a request; none: not measured.
	Allocations bench.Sample
}

// Series is all turns of a side. The i-th of each side were one after the other.
type Series struct {
	Side  string
	Head  int // bytes of the head of its answers
	Slots []Slot
}

// counted are the turns that nobody disturbed, or all of them if those are less than half.
func (s *Series) counted() (slots []Slot, noisy bool) {
	for _, sl := range s.Slots {
		if !sl.Disturbed {
			slots = append(slots, sl)
		}
	}
	if 2*len(slots) < len(s.Slots) {
		return s.Slots, true
	}
	return slots, false
}

func (s *Series) sample(of func(Slot) float64) (v bench.Sample) {
	slots, _ := s.counted()
	for _, sl := range slots {
		v = append(v, of(sl))
	}
	return v
}

func (s *Series) median(of func(Slot) float64) float64 { return s.sample(of).Median() }

func (c *Comparison) side(name string) *Series {
	for i := range c.Sides {
		if c.Sides[i].Side == name {
			return &c.Sides[i]
		}
	}
	return nil
}

// Better is how many times Berth's CPU time for a request another side takes, in each round: how fast the machine is changes over
// minutes, and hardly within a round. Rounds in which one of the two was disturbed are left out, unless that is most of them.
func (c *Comparison) Better(than string) bench.Sample {
	us, them := c.side(sideBerth), c.side(than)
	if us == nil || them == nil {
		return nil
	}
	var calm, all bench.Sample
	for i := range min(len(us.Slots), len(them.Slots)) {
		x := them.Slots[i].PerRequest() / us.Slots[i].PerRequest()
		all = append(all, x)
		if !us.Slots[i].Disturbed && !them.Slots[i].Disturbed {
			calm = append(calm, x)
		}
	}
	if 2*len(calm) < len(all) {
		return all
	}
	return calm
}

func (c *Comparison) title() string {
	return fmt.Sprintf("%s of %s, %s headers, asked by %s", bytesName(c.Size), c.hostsName(), c.Headers, loadName(c.Load))
}

func loadName(load string) string {
	if load == loadOwn {
		return "the own generator"
	}
	return load
}

func (c *Comparison) hostsName() string {
	switch c.Name {
	case uniformHosts:
		return fmt.Sprintf("all %s sites alike", plot.Whole(int64(c.Hosts)))
	case spreadHosts:
		return fmt.Sprintf("up to %s hosts from everywhere alike", plot.Whole(int64(c.Hosts)))
	}
	return fmt.Sprintf("%s hot hosts", plot.Whole(int64(c.Hosts)))
}

func bytesName(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
