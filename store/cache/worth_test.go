package cache

import "testing"

// While there is room everything is worth keeping; then what is asked about again, before too many others were.
func TestWorth(t *testing.T) {
	c := mustNew(t, Options[int, int]{Capacity: 100})
	for k := range 100 {
		if !c.Worth(k) {
			t.Fatalf("%d is not worth keeping in a cache that has room", k)
		}
		put(t, c, k, k)
	}
	put(t, c, 100, 100) // something has to leave
	if c.Worth(1000) || !c.Worth(1000) || !c.Worth(1000) {
		t.Error("of a key that was asked about once, then again")
	}
	c.Worth(2000)
	for k := range 100_000 {
		c.Worth(10_000 + k)
	}
	if c.Worth(2000) {
		t.Error("a key is remembered behind a hundred thousand others")
	}
	c.DropAll()
	if n := testing.AllocsPerRun(100, func() { c.Worth(7) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// What is asked for once, by whoever goes through everything, leaves what is asked for often where it is.
func TestOnceAskedPushesNothingOut(t *testing.T) {
	c := mustNew(t, Options[int, int]{Capacity: 100})
	ask := func(k int) bool {
		if _, ok := c.Get(k); ok {
			return true
		}
		if c.Worth(k) {
			put(t, c, k, k)
		}
		return false
	}
	for range 3 {
		for k := range 120 {
			ask(k)
		}
	}
	before := len(has(c, keysTo(120)...))
	for k := range 1_000_000 {
		ask(1000 + k)
	}
	if after := len(has(c, keysTo(120)...)); before < 100 || after < before*9/10 {
		t.Errorf("%d of the keys asked for often were kept, and %d after a million others", before, after)
	}
}

func keysTo(n int) (keys []int) {
	for k := range n {
		keys = append(keys, k)
	}
	return keys
}
