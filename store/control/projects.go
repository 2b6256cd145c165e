package control

func (s *Service) projectEndpoints() []endpoint { return nil }
