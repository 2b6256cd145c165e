package control

import (
	"context"

	"berth/store"
)

// deleteProject deletes a project with everything it owns.
func (s *Service) deleteProject(ctx context.Context, p store.Project) error { panic("todo") }
