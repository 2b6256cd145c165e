package control

import "berth/store"

// deploymentEndpoints is what wrangler and the command line do with deployments.
func (s *Service) deploymentEndpoints() []endpoint { return nil }

// deploymentObject is a deployment as the API shows it.
type deploymentObject struct {
	ID string `json:"id"`
}

func (s *Service) describeDeployment(rd *store.Reader, p store.Project, d store.Deployment) (deploymentObject, error) {
	panic("todo")
}
