package control

func (s *Service) userEndpoints() []endpoint { return nil }
