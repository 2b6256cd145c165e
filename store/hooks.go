package store

import (
	"slices"
)

// hook is a registered OnCommit function; its address is its identity.
type hook struct{ fn func(Commit) }

// OnCommit registers fn to be told of every commit, in the order of revisions, after the commit is durable and visible
// and before its Update returns: a cache that drops what the Commit names never answers with older state once the
// writer knows. fn runs in the committer, so it must be quick, must not call Update, and a panic in it ends the process:
// a cache that missed a commit would go on serving old state. cancel may return while fn is running one last time.
func (s *Store) OnCommit(fn func(Commit)) (cancel func()) {
	h := &hook{fn}
	s.hooksMu.Lock()
	defer s.hooksMu.Unlock()
	s.setHooks(append(slices.Clone(*s.hooks.Load()), h))
	return func() {
		s.hooksMu.Lock()
		defer s.hooksMu.Unlock()
		s.setHooks(slices.DeleteFunc(slices.Clone(*s.hooks.Load()), func(x *hook) bool { return x == h }))
	}
}

func (s *Store) setHooks(hooks []*hook) { s.hooks.Store(&hooks) }
