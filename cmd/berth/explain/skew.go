package explain

import (
	"context"
	"fmt"

	"berth/assets/catalog"
	"berth/router"
	"berth/router/edge"
	"berth/router/hostkey"
	"berth/store"
)

const stageSkew = "skew protection"

// choose asks skew protection which deployment answers; nil: it has no say.
func (d Deps) choose(r *Report, a *asked, route store.Route, settings store.SiteSettings, now bool) (*edge.SkewChoice, error) {
	moves := route.Class != store.ClassDeployment
	names := a.deploymentID != "" || a.request.Cookie != ""
	switch {
	case settings.Skew == store.On && moves && now && d.Skew != nil:
	case settings.Skew == store.On && moves:
		r.say(stageSkew, "it is on, but what it chose then is not known")
		return nil, nil
	case settings.Skew == store.On && names:
		r.say(stageSkew, "this host always serves the same deployment: nothing can choose another")
		return nil, nil
	default:
		if names {
			r.say(stageSkew, "it is off: no field of a request chooses a deployment")
		}
		return nil, nil
	}
	choice, err := d.Skew(edge.SkewQuestion{
		Host:    hostkey.Host(r.Canonical),
		Route:   router.Decision{Kind: route.Kind, Project: route.Project, Deployment: route.Deployment, Class: route.Class, Flags: route.Flags},
		Request: &a.request, DeploymentID: a.deploymentID, Purpose: a.purpose,
	})
	if err != nil {
		return nil, fmt.Errorf("choose the deployment that answers: %w", err)
	}
	if choice.Refused {
		r.say(stageSkew, "a deployment was named that this host does not serve and has not served lately: it cannot be chosen")
	}
	switch {
	case choice.By == "":
		r.say(stageSkew, "it is on; nothing in the request chooses: the deployment that the host serves answers")
	case choice.Deployment == route.Deployment:
		r.say(stageSkew, fmt.Sprintf("%s chooses deployment %d, which the host serves", choice.By, choice.Deployment))
	default:
		r.say(stageSkew, fmt.Sprintf("%s chooses deployment %d, which the host served before", choice.By, choice.Deployment))
	}
	return choice, nil
}

// pinned is the deployment that was chosen in the place of what the host serves.
func (d Deps) pinned(ctx context.Context, r *Report, choice *edge.SkewChoice) (*catalog.Deployment, error) {
	dep, err := d.Sites.Deployment(ctx, choice.Deployment)
	if err != nil {
		return nil, fmt.Errorf("load the pinned deployment: %w", err)
	}
	record, err := d.Store.Deployment(choice.Deployment)
	if err != nil {
		return nil, fmt.Errorf("read the pinned deployment: %w", err)
	}
	r.Pinned = &Pinned{Deployment: *describeDeployment(record), No: choice.Deployment, By: choice.By}
	return dep, nil
}
