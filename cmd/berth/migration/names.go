package migration

import (
	"fmt"

	"berth/store"
)

// names finds the names of projects, each once.
type names struct {
	r     *store.Reader
	known map[store.ProjectNo]string
}

func namesIn(r *store.Reader) *names { return &names{r: r, known: map[store.ProjectNo]string{}} }

// of is a project's name, or "#" and its number if it has none (any more).
func (n *names) of(no store.ProjectNo) string {
	name, ok := n.known[no]
	if !ok {
		name = fmt.Sprintf("#%d", no)
		if p, err := n.r.Project(no); err == nil {
			name = p.Name
		}
		n.known[no] = name
	}
	return name
}
