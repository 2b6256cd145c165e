package store

import (
	"testing"
	"testing/synctest"
	"time"
)

// Whoever waited for long after it gave way does not give way again before its time, and does then.
func TestCourtesyHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c courtesy
		gaveWay := func() bool {
			before := c.next
			for range courtesyStep {
				c.one()
			}
			return c.next != before
		}
		if time.Sleep(time.Second); !gaveWay() {
			t.Fatal("it never gives way")
		}
		c.next = time.Now().Add(courtesyMost) // as if others had taken long
		if time.Sleep(courtesyMost / 2); gaveWay() {
			t.Error("it gave way again after half of its time")
		}
		if time.Sleep(courtesyMost); !gaveWay() {
			t.Error("it gives way no more")
		}
	})
}
