package control

func (s *Service) assetEndpoints() []endpoint { return nil }
