package explain

import (
	"context"
	"fmt"
	"time"

	"berth/assets"
	"berth/assets/catalog"
	"berth/assets/httpsem"
	"berth/router/edge"
	"berth/store"
)

const stageFunctions = "functions"

// plan asks the site what it would answer, as the edge does. What a host served before is known for now alone.
func (d Deps) plan(ctx context.Context, r *Report, a *asked, route store.Route, now bool) error {
	if r.Deployment == nil {
		return nil
	}
	dep, err := d.Sites.Deployment(ctx, route.Deployment)
	if err != nil {
		r.Note = fmt.Sprintf("the site cannot be loaded: %v", err)
		return nil
	}
	project, err := d.Sites.Settings(ctx, route.Project)
	if err != nil {
		return fmt.Errorf("read the project's settings: %w", err)
	}
	settings := catalog.Effective(dep.Settings, *project)
	r.note(a)
	choice, err := d.choose(r, a, route, settings, now)
	if err != nil {
		return err
	}
	if choice != nil && choice.Deployment != route.Deployment {
		if dep, err = d.pinned(ctx, r, choice); err != nil {
			return err
		}
		settings = catalog.Effective(dep.Settings, *project)
	}
	plan := assets.Plan{Trace: new(assets.Trace)}
	if d.code(r, dep, &plan, a) {
		return nil
	}
	if settings.CORS == store.Off {
		r.say("settings", "cors is off: no Access-Control-Allow-Origin but by a rule")
	}
	a.request.NoIndex = route.Flags&store.FlagNoIndex != 0
	a.request.NoCORS = settings.CORS == store.Off
	dep.Site.Plan(&plan, &a.request)
	if err := d.planKept(ctx, r, a, dep, route, &plan, settings, now); err != nil {
		return err
	}
	r.take(&plan, choice)
	d.file(r, dep.Site, a, &plan)
	if err := dep.Site.Err(); err != nil {
		return fmt.Errorf("read the site: %w", err)
	}
	return nil
}

// code says whether the deployment's code answers instead of its files, and which rule has it so.
func (d Deps) code(r *Report, dep *catalog.Deployment, plan *assets.Plan, a *asked) bool {
	if dep.Functions == nil {
		return false
	}
	if !d.RunsFunctions {
		r.say(stageFunctions, "the deployment has code, but the server was started without --functions: its files answer")
		return false
	}
	path, _ := plan.Address(a.request.Target)
	rule, selected := dep.Functions.Why(path)
	switch {
	case selected && rule == "":
		r.say(stageFunctions, "the deployment has code and no _routes.json: its code answers every path")
	case selected:
		r.say(stageFunctions, fmt.Sprintf("the code answers %q: \"include\" of _routes.json has %q", path, rule))
	case rule == "":
		r.say(stageFunctions, fmt.Sprintf("the files answer %q: no rule of _routes.json matches", path))
	default:
		r.say(stageFunctions, fmt.Sprintf("the files answer %q: \"exclude\" of _routes.json has %q", path, rule))
	}
	if selected {
		r.Note = "what the code answers is for the code to say; the files' rules touch only what it asks of env.ASSETS"
	}
	return selected
}

// planKept plans again with the files that the host served before, if they have a say.
func (d Deps) planKept(ctx context.Context, r *Report, a *asked, dep *catalog.Deployment, route store.Route, plan *assets.Plan, settings store.SiteSettings, now bool) error {
	keep := catalog.Keep(d.KeepAssets, settings.KeepAssets)
	switch moves := route.Class != store.ClassDeployment; {
	case !plan.Missing || !moves:
		return nil
	case !now:
		r.say("kept file", "what the host served before is known for the newest revision alone")
		return nil
	case keep < 0:
		return nil
	}
	production := route.Class == store.ClassProduction || route.Class == store.ClassCustom && route.Flags&store.FlagFollowsBranch == 0
	target, err := d.Sites.Target(ctx, route.Deployment, production)
	if err != nil {
		return fmt.Errorf("read what the host served before: %w", err)
	}
	at := time.Now()
	a.request.Kept, a.request.Now = target.Kept, at.Unix()
	dep.Site.Plan(plan, &a.request)
	if target.Expired(store.DeploymentNo(plan.KeptSource), at, keep) {
		r.say("kept file", "an earlier deployment has it, but --keep-assets or keep_assets was shortened since: its time is over")
		a.request.Kept = nil
		dep.Site.Plan(plan, &a.request)
	}
	return nil
}

func (r *Report) say(stage, said string) { r.Steps = append(r.Steps, Step{Stage: stage, Said: said}) }

// note adds what is settled before the site is asked.
func (r *Report) note(a *asked) {
	for _, name := range a.unheard {
		r.say("request", name+" is not looked at here")
	}
}

// take copies the plan and how it came about, which are views of other things.
func (r *Report) take(plan *assets.Plan, choice *edge.SkewChoice) {
	for _, s := range plan.Trace.Steps {
		r.Steps = append(r.Steps, Step{Stage: string(s.What), Said: s.Said, File: s.File, Line: s.Line})
	}
	r.Plan = &Plan{Status: plan.Status, Fields: []Field{}, Body: bodyName(plan.Body.Kind), Length: plan.Body.Length}
	from := make([]int, len(plan.Fields))
	for i := range from {
		from[i] = i
	}
	if choice != nil {
		from = choice.Finish(plan)
	}
	for i, f := range plan.Fields {
		origin := Origin{From: stageSkew}
		if from[i] >= 0 {
			o := plan.Trace.Origins[from[i]]
			origin = Origin{From: o.From, File: o.File, Lines: o.Lines}
		}
		r.Plan.Fields = append(r.Plan.Fields, Field{f.Name, string(f.Value), origin})
	}
	for _, p := range plan.Body.Parts {
		r.Plan.Parts = append(r.Plan.Parts, Part{p.Offset, p.Length})
	}
}

// file describes the file that the answer is about, in all its forms.
func (d Deps) file(r *Report, site *assets.Site, a *asked, plan *assets.Plan) {
	path := plan.Trace.File
	if plan.KeptSource != 0 {
		k, ok := a.request.Kept.Lookup(path, a.request.Now)
		if !ok {
			return
		}
		r.Entry = entryOf(k.Entry)
		r.Kept = &Kept{DeploymentNo: store.DeploymentNo(k.Source), Until: time.Unix(k.Until, 0).UTC()}
		if dep, err := d.Store.Deployment(r.Kept.DeploymentNo); err == nil {
			r.Kept.Deployment = dep.UUID.String()
		}
		return
	}
	i, ok := site.Files().Lookup(path)
	if !ok {
		return
	}
	e := site.Files().At(i)
	r.Entry = entryOf(e)
	for coding := httpsem.Identity + 1; int(coding) < httpsem.NumEncodings; coding++ {
		if blob, size, ok := site.Variants().At(i, coding); ok {
			tag := httpsem.ETag{Key: [16]byte(blob[:16]), Encoding: coding}
			r.Variants = append(r.Variants, Variant{Encoding: coding.String(), Blob: blob.String(), Size: size, ETag: string(tag.Append(nil))})
		}
	}
}
