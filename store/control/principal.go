package control

import (
	"slices"

	"berth/store"
)

// Principal is whoever makes a call: the holder of a live token.
type Principal struct {
	Token store.Token
}

// AdministersServer says whether the caller may do everything.
func (p Principal) AdministersServer() bool { return p.Token.Scope == store.ScopeServerAdmin }

// Administers says whether the caller may change everything in an account.
func (p Principal) Administers(a store.AccountNo) bool {
	return p.AdministersServer() || p.Token.Scope == store.ScopeAccountAdmin && p.Token.Account == a
}

// MayDeploy says whether the caller may deploy to a project of an account.
func (p Principal) MayDeploy(a store.AccountNo, project string) bool {
	if p.Administers(a) {
		return true
	}
	return p.Token.Scope == store.ScopeDeploy && p.Token.Account == a && slices.Contains(p.Token.Projects, project)
}

// MayRead says whether the caller may read a project of an account.
func (p Principal) MayRead(a store.AccountNo, project string) bool {
	return p.Token.Scope == store.ScopeRead && p.Token.Account == a || p.MayDeploy(a, project)
}

// reaches says whether the account is one that the caller may know of.
func (p Principal) reaches(a store.AccountNo) bool {
	return p.AdministersServer() || p.Token.Scope != 0 && p.Token.Account == a
}
