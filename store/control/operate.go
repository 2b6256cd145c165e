package control

import "context"

// operatorEndpoints is what the server's operator may ask for.
func (s *Service) operatorEndpoints() []endpoint { return nil }

// runMaintenance does the background work until ctx is done.
func (s *Service) runMaintenance(ctx context.Context) error { panic("todo") }
