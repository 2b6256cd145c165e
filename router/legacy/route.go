package legacy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"berth/router/hostkey"
	"berth/store"
)

// ErrForeign says that a table's entry is of something that its project has no say in: another project's deployment, or a host below
// another project's. No resolver answers by such an entry.
var ErrForeign = errors.New("legacy: not the project's own")

// RouteFor is the route record that a table's entry stands for: that a host, or the hosts below it if wildcard, leads to a
// deployment. domain is the server's own. The record is the one that the control plane writes for that host.
func RouteFor(r *store.Reader, domain string, p store.Project, h hostkey.Host, wildcard bool, d store.Deployment) (store.Route, error) {
	return routeTo(r, domain, owner{p.No, p.Name}, h, wildcard, d.No, d.Project)
}

// owner is a project as far as routing is concerned.
type owner struct {
	no   store.ProjectNo
	name string
}

func routeTo(r *store.Reader, domain string, p owner, h hostkey.Host, wildcard bool, d store.DeploymentNo, of store.ProjectNo) (store.Route, error) {
	if of != p.no {
		return store.Route{}, fmt.Errorf("%w: deployment %d, which %s of project %s leads to, is of project number %d", ErrForeign, d, h, p.name, of)
	}
	route := store.Route{Kind: store.RouteSite, Project: p.no, Deployment: d}
	label, project, own := split(domain, h)
	switch {
	case own && project != p.name:
		return store.Route{}, fmt.Errorf("%w: host %s in the table of project %s", ErrForeign, h, p.name)
	case own && label == "" && !wildcard:
		route.Class = store.ClassProduction
	case own:
		route.Class, route.Flags = store.ClassBranch, store.FlagNoIndex
		if !wildcard && isShortID(label) {
			route.Class = store.ClassDeployment
		}
	default:
		route.Class = store.ClassCustom
		follows, err := followsBranch(r, p.no, h, wildcard)
		if err != nil {
			return store.Route{}, err
		}
		if follows {
			route.Flags = store.FlagFollowsBranch
		}
	}
	return route, nil
}

// split takes apart a host below the server's own domain; own is false for every other, and for the domain itself.
func split(domain string, h hostkey.Host) (label, project string, own bool) {
	rest, ok := strings.CutSuffix(string(h), domain)
	if !ok || len(rest) < 2 || rest[len(rest)-1] != '.' {
		return "", "", false
	}
	rest = rest[:len(rest)-1]
	if dot := strings.LastIndexByte(rest, '.'); dot >= 0 {
		return rest[:dot], rest[dot+1:], true
	}
	return "", rest, true
}

// Own says whether a host is below the server's own domain, and of which project it is then, whether that exists or not.
func Own(domain string, h hostkey.Host) (project string, own bool) {
	_, project, own = split(domain, h)
	return project, own
}

// isShortID says whether a label is one of a deployment: no branch gets 8 hexadecimal digits.
func isShortID(label string) bool {
	if len(label) != 8 {
		return false
	}
	for i := range len(label) {
		if c := label[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// IsOwnHost reports whether a host is the one that Berth itself gives to a deployment of a project; label is how the deployment's ID begins.
func IsOwnHost(domain, project string, h hostkey.Host, label [4]byte) bool {
	if len(h) != 8+1+len(project)+1+len(domain) || h[8] != '.' || h[9+len(project)] != '.' {
		return false
	}
	var digits [8]byte
	hex.Encode(digits[:], label[:])
	return string(h[:8]) == string(digits[:]) && string(h[9:9+len(project)]) == project && string(h[10+len(project):]) == domain
}

func followsBranch(r *store.Reader, p store.ProjectNo, h hostkey.Host, wildcard bool) (bool, error) {
	name := string(h)
	if wildcard {
		name = "*." + name
	}
	d, err := r.Domain(p, name)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("legacy: domain %s: %w", name, err)
	}
	return d.Branch != "", nil
}

// Target finds the deployment that an entry's script_hash names: one of Berth's own, else one that was imported under that
// name. It wraps store.ErrNotFound if there is none.
func Target(r *store.Reader, scriptHash string) (store.Deployment, error) {
	if id, ok := parseScriptHash(scriptHash); ok {
		d, err := r.DeploymentByUUID(id)
		if !errors.Is(err, store.ErrNotFound) {
			return d, err
		}
	}
	no, err := r.Pipeline(scriptHash)
	if err != nil {
		return store.Deployment{}, err
	}
	return r.Deployment(no)
}
