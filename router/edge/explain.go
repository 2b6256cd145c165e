package edge

import (
	"slices"

	"berth/assets"
	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

// SkewQuestion is what skew protection looks at of a request to a host that moves and has it on.
type SkewQuestion struct {
	Host         hostkey.Host
	Route        router.Decision
	Request      *assets.Request // Cookie, Sec-Fetch-*, Scheme and Target count
	DeploymentID string          // the field X-Deployment-Id
	Purpose      string          // the field Sec-Purpose
}

// SkewChoice is what it decided.
type SkewChoice struct {
	Deployment store.DeploymentNo // that answers
	By         string             // what chose it; "": nothing, it is what the host serves
	Refused    bool               // a deployment was named that this host does not serve and has not served lately

	server *Server
	x      exchange
}

// Skew chooses as for a request, for whoever explains one.
func (s *Server) Skew(q SkewQuestion) (*SkewChoice, error) {
	d, err := s.sites.deployment(s.base, q.Route.Deployment)
	if err != nil {
		return nil, err
	}
	c := &SkewChoice{server: s, x: exchange{host: q.Host, route: q.Route, serving: d, req: *q.Request}}
	c.x.head = head{
		cookie: q.Request.Cookie, deploymentID: q.DeploymentID, secPurpose: q.Purpose,
		secFetchDest: q.Request.SecFetchDest, secFetchMode: q.Request.SecFetchMode,
	}
	s.choose(&c.x)
	c.Deployment, c.Refused = c.x.serving.no, c.x.skew.denied
	c.By = [...]string{byHost: "", byHeader: "X-Deployment-Id", byQuery: "?" + pinQuery + "=", byCookie: "the cookie " + pinCookie}[c.x.skew.by]
	return c, nil
}

// Finish changes a plan's fields as the choice demands, and returns where each of them stood before: -1 for those that are new.
func (c *SkewChoice) Finish(plan *assets.Plan) (from []int) {
	before := slices.Clone(plan.Fields)
	c.x.plan = *plan
	c.server.finishSkew(&c.x)
	plan.Fields = c.x.plan.Fields
	next := 0
	for _, f := range plan.Fields {
		at := next
		for at < len(before) && (before[at].Name != f.Name || string(before[at].Value) != string(f.Value)) {
			at++
		}
		if at == len(before) {
			from = append(from, -1)
			continue
		}
		from, next = append(from, at), at+1
	}
	return from
}
