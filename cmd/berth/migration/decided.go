package migration

import (
	"fmt"
	"time"

	"berth/migrate"
	"berth/store"
)

// decided is which sites an operator has put on the records by name, and when. What had failed of such a site until then keeps it on its
// table no more: somebody has looked at it.
type decided struct {
	Version int                  `json:"v"`
	Epoch   store.Epoch          `json:"epoch"` // of all of it; in another one other records are meant
	OptedIn map[string]time.Time `json:"opted_in"`
}

// FormVersion is the version of its form.
func (d decided) FormVersion() int { return d.Version }

const decidedDocument = "decided"

func loadDecided(r *store.Reader) (decided, error) {
	d, _, err := migrate.Get[decided](r, decidedDocument)
	if err != nil {
		return d, fmt.Errorf("read which sites are opted in: %w", err)
	}
	state, err := migrate.Load(r)
	if err != nil {
		return d, err
	}
	if d.Epoch != state.Epoch || d.OptedIn == nil {
		d = decided{Epoch: state.Epoch, OptedIn: map[string]time.Time{}}
	}
	d.Version = 1
	return d, nil
}

// decide notes what was said of sites: true opts them out, which leaves nothing decided.
func decide(tx *store.Tx, at time.Time, optOut map[string]bool) error {
	d, err := loadDecided(&tx.Reader)
	if err != nil {
		return err
	}
	for site, out := range optOut {
		if out {
			delete(d.OptedIn, site)
		} else {
			d.OptedIn[site] = at.UTC()
		}
	}
	return migrate.Put(tx, decidedDocument, d)
}
