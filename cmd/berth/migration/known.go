package migration

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"berth/migrate/backfill"
	"berth/migrate/tables"
	"berth/migrate/verify"
	"berth/router/rollout"
	"berth/store"
)

// checkSites refuses names of no project, and what cannot both be meant. A name of a project that is gone can still be taken away.
func (s *Service) checkSites(c *RolloutChange, was *rollout.Config) error {
	for site, side := range c.Sites {
		if _, pinned := was.Sites[site]; side == "" && pinned {
			continue
		}
		if err := s.checkProject(site); err != nil {
			return err
		}
	}
	for site, out := range c.OptOut {
		if out && c.Sites[site] == rollout.Hashed.String() {
			return bad("site %s: it cannot be opted out and pinned to hashed at once", site)
		}
		if !out && slices.Contains(was.OptOut, site) {
			continue
		}
		if err := s.checkProject(site); err != nil {
			return err
		}
	}
	return nil
}

// checkProject wants a project of this name.
func (s *Service) checkProject(name string) error {
	_, err := s.deps.Store.ProjectByName(name)
	if errors.Is(err, store.ErrNotFound) {
		return refuse(http.StatusNotFound, codeNotFound, "there is no project %.80q; `berth project list` shows those that there are", name)
	}
	if err != nil {
		return fmt.Errorf("look for project %s: %w", name, err)
	}
	return nil
}

// checkClass wants one of these names, or none.
func checkClass[C ~string](class string, known ...C) error {
	if class == "" || slices.Contains(known, C(class)) {
		return nil
	}
	var names []string
	for _, c := range known {
		names = append(names, string(c))
	}
	return bad("class %.40q: want one of %s", class, strings.Join(names, ", "))
}

func checkDiffClass(class string) error {
	return checkClass(class, verify.Missing, verify.Extra, verify.Different, verify.Error, verify.Unconvertible)
}

func checkFailureClass(class string) error {
	return checkClass(class, tables.Unreadable, tables.NoProject, tables.CannotConvert, tables.NoDeployment, tables.Foreign, backfill.Conflict)
}
