package control

import (
	"context"

	"berth/router/hostkey"
	"berth/store"
)

// productionHost is where a project's production deployment answers: <project>.<domain>.
func (s *Service) productionHost(p store.Project) hostkey.Host {
	return hostkey.Host(p.Name + "." + s.opts.Domain)
}

// domainRoute is the change that makes an active custom domain's route record right. Its Route is nil while there is
// nothing to serve.
func (s *Service) domainRoute(tx *store.Tx, p store.Project, d store.Domain) (RouteChange, error) {
	panic("todo")
}

// applyRoutes writes route changes inside the Update that makes them.
func (s *Service) applyRoutes(ctx context.Context, tx *store.Tx, p store.ProjectNo, rs []RouteChange) error {
	panic("todo")
}
