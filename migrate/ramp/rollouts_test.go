package ramp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berth/migrate"
	"berth/router/rollout"
	"berth/store"
)

func TestSetRolloutIsLogged(t *testing.T) {
	s, _ := migrating(t, migrate.Ramp)
	d := set(t, s, rollout.Config{Percent: 5, Sites: map[string]rollout.Side{"docs": rollout.Legacy}})
	got := load(t, s)
	if diff := cmp.Diff(d, got, cmpopts.EquateEmpty(), cmp.Transformer("default", func(c rollout.Config) []string { return rollout.Changes(rollout.Config{}, c) })); diff != "" {
		t.Errorf("(-set +loaded):\n%s", diff)
	}
	if got.Config.Percent != 5 || got.Config.Mode != rollout.ModeRamp || got.Who != "ann" || got.Revision == 0 {
		t.Errorf("%+v", got)
	}
	lines := logLines(t, s)
	if last := lines[len(lines)-1]; last != "ann: rollout: percent 0% to 5%, site docs=legacy" {
		t.Errorf("log: %q", last)
	}
	// The same again changes nothing and says nothing.
	if again := set(t, s, got.Config); again.Revision != got.Revision || len(logLines(t, s)) != len(lines) {
		t.Errorf("%+v", again)
	}
}

func TestSecondOperatorIsToldWhatChanged(t *testing.T) {
	s, _ := migrating(t, migrate.Ramp)
	seen := set(t, s, rollout.Config{Percent: 1})
	for _, c := range []Change{
		{From: seen.Revision, Config: rollout.Config{Percent: 5}, Who: "ann", Why: "looks fine"},
		{Config: rollout.Config{Percent: 5, OptOut: []string{"shop"}}, Who: "bob", Why: "they asked"},
	} {
		if c.From == 0 {
			c.From = load(t, s).Revision
		}
		if _, err := SetRollout(t.Context(), s, atDay, c); err != nil {
			t.Fatal(err)
		}
	}
	update(t, s, func(tx *store.Tx) error { return migrate.AppendLog(tx, day, "eve", "something else", "") })
	before := load(t, s)
	_, err := SetRollout(t.Context(), s, atDay, Change{From: seen.Revision, Config: rollout.Config{Percent: 2}, Who: "eve"})
	c, ok := errors.AsType[*Conflict](err)
	if !ok || !errors.Is(err, ErrConflict) {
		t.Fatalf("%v, want a Conflict", err)
	}
	if len(c.Since) != 2 || c.Current.Revision != before.Revision {
		t.Errorf("%+v", c)
	}
	for _, want := range []string{"ann", "percent 1% to 5%", "looks fine", "bob", "opt-out shop", "they asked", fmt.Sprint(before.Revision)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "something else") {
		t.Errorf("what is no change of the rollout is told: %v", err)
	}
	if after := load(t, s); after.Revision != before.Revision || after.Config.Percent != 5 {
		t.Errorf("changed all the same: %+v", after)
	}
}

func TestSetRolloutIsRefused(t *testing.T) {
	s, m := migrating(t, migrate.Ramp)
	if _, err := SetRollout(t.Context(), s, atDay, Change{Config: rollout.Config{Percent: 101}}); err == nil || !strings.Contains(err.Error(), "percent") {
		t.Errorf("101 %%: %v", err)
	}
	forward(t, m, migrate.Retired)
	if _, err := SetRollout(t.Context(), s, atDay, Change{Config: rollout.Config{Percent: 1}}); !errors.Is(err, migrate.ErrPhase) {
		t.Errorf("when it is over: %v", err)
	}
}

// What hashed was given in one epoch was given to records that count as absent in the next.
func TestEpochVoidsWhatHashedWasGiven(t *testing.T) {
	s, m := migrating(t, migrate.Ramp)
	set(t, s, rollout.Config{
		Percent: 50, Default: rollout.Hashed, Datacentres: map[string]rollout.Side{"fra": rollout.Hashed},
		Sites: map[string]rollout.Side{"docs": rollout.Hashed, "back": rollout.Legacy}, OptOut: []string{"shop"},
	})
	move(t, m, migrate.Verify)
	move(t, m, migrate.Ramp)
	if got := load(t, s).Config; got.Percent != 50 {
		t.Errorf("one phase back and forth, in one epoch: %+v", got)
	}
	move(t, m, migrate.Legacy)
	forward(t, m, migrate.Ramp)
	want := rollout.Config{Mode: rollout.ModeRamp, Default: rollout.Legacy, Sites: map[string]rollout.Side{"back": rollout.Legacy}, OptOut: []string{"shop"}}
	if diff := cmp.Diff(want, load(t, s).Config, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("in the next epoch (-want +got):\n%s", diff)
	}
	set(t, s, rollout.Config{Percent: 50})
	if got := load(t, s).Config; got.Percent != 50 {
		t.Errorf("given again: %+v", got)
	}
	if lines := logLines(t, s); !strings.Contains(lines[len(lines)-1], "percent 0% to 50%") {
		t.Errorf("log: %q", lines[len(lines)-1])
	}
}

func TestModeOf(t *testing.T) {
	got := map[migrate.Phase]rollout.Mode{}
	for _, p := range migrate.Phases() {
		got[p] = ModeOf(p)
	}
	want := map[migrate.Phase]rollout.Mode{
		migrate.Legacy: rollout.ModeLegacy, migrate.DualWrite: rollout.ModeLegacy, migrate.Backfill: rollout.ModeLegacy, migrate.Verify: rollout.ModeLegacy,
		migrate.Ramp: rollout.ModeRamp, migrate.Cutover: rollout.ModeCutover, migrate.Retired: rollout.ModeHashed,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSummaryIsShort(t *testing.T) {
	var sites []string
	for i := range 1000 {
		sites = append(sites, fmt.Sprintf("opt-out s%d", i))
	}
	if got := summary(slices.Clone(sites)); len(got) > 500 || !strings.HasSuffix(got, "and 980 more") {
		t.Errorf("%q", got)
	}
}
