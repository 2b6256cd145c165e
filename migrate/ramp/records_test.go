package ramp

import (
	"testing"

	"berth/store"
)

func account(t testing.TB, s *store.Store) {
	t.Helper()
	update(t, s, func(tx *store.Tx) error {
		no, err := tx.NextAccount()
		if err != nil {
			return err
		}
		return tx.PutAccount(store.Account{No: no, ID: "default", Name: "default", Created: day})
	})
}

func project(t testing.TB, s *store.Store, name string) store.ProjectNo {
	t.Helper()
	var no store.ProjectNo
	update(t, s, func(tx *store.Tx) (err error) {
		if no, err = tx.NextProject(); err != nil {
			return err
		}
		return tx.PutProject(store.Project{
			No: no, Account: 1, UUID: store.UUID{byte(no)}, Name: name, ProductionBranch: "main", State: store.ProjectActive, Created: day, Modified: day,
		})
	})
	return no
}

func domain(t testing.TB, s *store.Store, p store.ProjectNo, host string, status store.DomainStatus) {
	t.Helper()
	update(t, s, func(tx *store.Tx) error {
		return tx.PutDomain(store.Domain{Project: p, UUID: store.UUID{1, byte(len(host)), host[0]}, Host: host, Status: status, Created: day})
	})
}
