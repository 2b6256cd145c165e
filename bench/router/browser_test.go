//go:build e2e

package router

import (
	"testing"

	"berth/bench/pagetest"
)

// The curves over the number of deployments, as they are drawn.
func TestPageInBrowser(t *testing.T) {
	look, err := Lookup(t.Context(), LookupConfig{Deployments: []int{300, 3000}, Rounds: 1, leastDropped: 3000})
	if err != nil {
		t.Fatal(err)
	}
	growth, err := Growth(t.Context(), GrowthConfig{Deployments: []int{300, 3000}, One: []int{300, 900}, Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	pagetest.Look(t, "router", look, growth)
}
