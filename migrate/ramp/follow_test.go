package ramp

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/migrate"
	"berth/router"
	"berth/router/hostkey"
	"berth/router/rollout"
	"berth/store"
)

var testHasher = hostkey.NewHasher(hostkey.Secret{5})

// none is a router without routes.
type none struct{}

func (none) Resolve(context.Context, *router.Query) (router.Decision, error) {
	return router.Decision{}, router.ErrNoRoute
}

func newSwitch(t testing.TB) *rollout.Switch {
	t.Helper()
	sw, err := rollout.New(rollout.Deps{Hashed: none{}, Legacy: none{}, Hasher: testHasher},
		rollout.Options{Domain: "pages.localhost", Datacentre: "fra", Config: rollout.Config{Mode: rollout.ModeLegacy}})
	if err != nil {
		t.Fatal(err)
	}
	return sw
}

// sampler remembers the share that it was given.
type sampler struct{ percent float64 }

func (s *sampler) SetPercent(p float64) error { s.percent = p; return nil }

func follow(t testing.TB, s *store.Store) (*rollout.Switch, *sampler) {
	t.Helper()
	sw, sh := newSwitch(t), &sampler{-1}
	f, err := Follow(FollowDeps{Store: s, Switch: sw, Shadow: sh, Sampling: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return sw, sh
}

// A change is in force when SetRollout returns, and after a restart.
func TestFollowPutsInForce(t *testing.T) {
	s, m := migrating(t, migrate.Verify)
	sw, sh := follow(t, s)
	want := func(when string, mode rollout.Mode, percent, sampling float64) {
		t.Helper()
		again, sampled := follow(t, s) // as after a restart
		for _, got := range []rollout.Config{sw.Config(), again.Config()} {
			if got.Mode != mode || got.Percent != percent {
				t.Errorf("%s: %v at %v%%, want %v at %v%%", when, got.Mode, got.Percent, mode, percent)
			}
		}
		if sh.percent != sampling || sampled.percent != sampling {
			t.Errorf("%s: %v%% and %v%% of the requests compared, want %v%%", when, sh.percent, sampled.percent, sampling)
		}
	}
	want("in verify", rollout.ModeLegacy, 0, 1)
	set(t, s, rollout.Config{Percent: 5})
	want("set in verify", rollout.ModeLegacy, 5, 1)
	move(t, m, migrate.Ramp)
	want("in ramp", rollout.ModeRamp, 5, 1)
	if err := SetSampling(t.Context(), s, atDay, 20, "ann", ""); err != nil {
		t.Fatal(err)
	}
	set(t, s, rollout.Config{Percent: 10})
	want("set in ramp", rollout.ModeRamp, 10, 20)
	move(t, m, migrate.Cutover)
	want("in cutover", rollout.ModeCutover, 10, 20)
	move(t, m, migrate.Backfill)
	want("back in backfill, where the records are not complete", rollout.ModeLegacy, 10, 0)
	forward(t, m, migrate.Retired)
	want("when it is over", rollout.ModeHashed, 10, 0)
}

// A server that never migrated has nothing to switch.
func TestFollowOnAFreshServer(t *testing.T) {
	s := openStore(t)
	sw, sh := follow(t, s)
	if got := sw.Config().Mode; got != rollout.ModeHashed || sh.percent != 0 {
		t.Errorf("%v, %v%%", got, sh.percent)
	}
}

func TestDamagedConfigurationTakesNoSiteDown(t *testing.T) {
	s, _ := migrating(t, migrate.Cutover)
	sw, _ := follow(t, s)
	update(t, s, func(tx *store.Tx) error { return tx.PutDocument(rolloutDocument, []byte("{")) })
	if got := sw.Config().Mode; got != rollout.ModeCutover {
		t.Errorf("while serving: %v, want what was in force", got)
	}
	again, _ := follow(t, s)
	if got := again.Config().Mode; got != rollout.ModeLegacy {
		t.Errorf("at the start: %v, want the tables", got)
	}
}

func TestFollowKeepsTheIndex(t *testing.T) {
	s, m := migrating(t, migrate.Legacy)
	projects := map[string]store.ProjectNo{}
	account(t, s)
	for _, name := range []string{"docs", "shop"} {
		projects[name] = project(t, s, name)
	}
	domain(t, s, projects["docs"], "old.example", store.DomainActive)
	sw, _ := follow(t, s)
	domain(t, s, projects["docs"], "www.example", store.DomainActive)
	domain(t, s, projects["docs"], "pending.example", store.DomainPending)
	domain(t, s, projects["shop"], "*.shop.example", store.DomainActive)
	want := func(when string, sites map[hostkey.Host]string) {
		t.Helper()
		got := map[hostkey.Host]string{}
		for h := range sites {
			got[h] = sw.Why(h).Site
		}
		if diff := cmp.Diff(sites, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	want("at first", map[hostkey.Host]string{"old.example": "docs", "www.example": "docs", "pending.example": "", "a.shop.example": "shop"})
	update(t, s, func(tx *store.Tx) error { return tx.DeleteDomain(projects["docs"], "old.example") })
	want("deleted", map[hostkey.Host]string{"old.example": "", "www.example": "docs"})
	update(t, s, func(tx *store.Tx) error {
		if err := tx.DeleteDomain(projects["shop"], "*.shop.example"); err != nil {
			return err
		}
		return tx.DeleteProject(projects["shop"])
	})
	want("with its project", map[hostkey.Host]string{"a.shop.example": ""})
	forward(t, m, migrate.Retired)
	if st := sw.Index().Stats(); st.Hosts != 0 {
		t.Errorf("when it is over: %+v", st)
	}
}

// forgetful counts what a Follower tells a Switch.
type forgetful struct {
	*rollout.Switch
	forgot int
}

func (f *forgetful) Forget() { f.forgot++; f.Switch.Forget() }

// Hosts that the tables did not know are asked about again when a table has changed.
func TestChangedTableIsAskedAgain(t *testing.T) {
	s, _ := migrating(t, migrate.Ramp)
	sw := &forgetful{Switch: newSwitch(t)}
	f, err := Follow(FollowDeps{Store: s, Switch: sw})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	update(t, s, func(tx *store.Tx) error { return tx.PutDocument("else", nil) })
	if sw.forgot != 0 {
		t.Errorf("forgot %d times, though no table changed", sw.forgot)
	}
	update(t, s, func(tx *store.Tx) error {
		return tx.PutTableChunk(store.TableChunk{Project: 1, No: 1, JSON: []byte("{}")})
	})
	if sw.forgot != 1 {
		t.Errorf("forgot %d times", sw.forgot)
	}
}
