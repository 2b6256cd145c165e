package control

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"berth/router/hostkey"
	"berth/store"
)

func (s *Service) domainEndpoints() []endpoint {
	return []endpoint{
		{"GET " + projectPath + "/domains", needRead, s.listDomains},
		{"POST " + projectPath + "/domains", needAccount, s.addDomain},
		{"GET " + projectPath + "/domains/{host}", needRead, s.showDomain},
		{"PATCH " + projectPath + "/domains/{host}", needAccount, s.recheckDomain},
		{"DELETE " + projectPath + "/domains/{host}", needAccount, s.removeDomain},
	}
}

// domainObject is a custom domain as the API shows it.
type domainObject struct {
	ID         string           `json:"id"`
	Name       string           `json:"name"`
	Status     string           `json:"status"` // pending or active
	Branch     string           `json:"branch"` // "": follows production
	CreatedOn  time.Time        `json:"created_on"`
	CheckedOn  *time.Time       `json:"checked_on"`
	Validation domainValidation `json:"validation_data"`
}

// domainValidation says what proves the domain: a TXT record TXTName whose text is TXTValue.
type domainValidation struct {
	Method   string `json:"method"`
	Status   string `json:"status"`
	TXTName  string `json:"txt_name"`
	TXTValue string `json:"txt_value"`
	Error    string `json:"error,omitempty"` // why the last check failed
}

func describeDomain(d store.Domain) domainObject {
	status := "pending"
	if d.Status == store.DomainActive {
		status = "active"
	}
	return domainObject{
		ID: d.UUID.String(), Name: d.Host, Status: status, Branch: d.Branch, CreatedOn: d.Created, CheckedOn: optionalTime(d.Checked),
		Validation: domainValidation{Method: "txt", Status: status, TXTName: proofName(d.Host), TXTValue: d.Proof, Error: d.Error},
	}
}

// proofName is where the TXT record stands that proves a domain: for a wildcard, at its parent.
func proofName(host string) string { return "_berth." + strings.TrimPrefix(host, "*.") }

func (s *Service) listDomains(c *call) (any, error) {
	list := []domainObject{}
	for d, err := range s.deps.Store.Domains(c.project.No) {
		if err != nil {
			return nil, err
		}
		list = append(list, describeDomain(d))
	}
	return list, nil
}

// pathDomain finds the domain that the path names, however it is spelt.
func (s *Service) pathDomain(c *call) (store.Domain, error) {
	name := c.r.PathValue("host")
	host, wildcard, err := hostkey.CanonicalPattern(name)
	if err == nil {
		var d store.Domain
		if d, err = s.deps.Store.Domain(c.project.No, pattern(host, wildcard)); err == nil {
			return d, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return d, err
		}
	}
	return store.Domain{}, refuse(http.StatusNotFound, codeNotFound, "project %q has no domain %q", c.project.Name, clip(name))
}

// pattern is how a domain is stored.
func pattern(host hostkey.Host, wildcard bool) string {
	if wildcard {
		return "*." + string(host)
	}
	return string(host)
}

func (s *Service) showDomain(c *call) (any, error) {
	d, err := s.pathDomain(c)
	if err != nil {
		return nil, err
	}
	return describeDomain(d), nil
}

func (s *Service) addDomain(c *call) (any, error) {
	var in struct {
		Name   string `json:"name"`
		Branch string `json:"branch"`
	}
	if err := c.readJSON(&in); err != nil {
		return nil, err
	}
	host, err := s.checkDomainName(in.Name)
	if err != nil {
		return nil, err
	}
	if in.Branch != "" {
		if err := checkBranchName("branch", in.Branch); err != nil {
			return nil, err
		}
	}
	d, err := s.newDomain(c.project, host, in.Branch)
	if err != nil {
		return nil, err
	}
	// Whoever administers the server needs no proof: the name server is theirs to ask, or there is none.
	vouched := c.principal.AdministersServer()
	_, err = s.deps.Store.Update(c.ctx, func(tx *store.Tx) error { return s.putNewDomain(c.ctx, tx, c.project, &d, vouched) })
	if err != nil {
		return nil, err
	}
	if d.Status == store.DomainPending {
		s.domains.wait(d, s.now())
	} else {
		s.domains.forget(d)
	}
	return describeDomain(d), nil
}

func (s *Service) newDomain(p store.Project, host, branch string) (store.Domain, error) {
	var proof [16]byte
	if _, err := io.ReadFull(s.deps.Rand, proof[:]); err != nil {
		return store.Domain{}, fmt.Errorf("draw a domain proof: %w", err)
	}
	id, err := s.newUUID()
	return store.Domain{
		Project: p.No, UUID: id, Host: host, Branch: branch, Status: store.DomainPending,
		Proof: "berth-domain=" + hex.EncodeToString(proof[:]), Created: s.now(),
	}, err
}

// checkDomainName returns the canonical form of a domain that may be a custom one. A name below our own domain would take
// the host of a project, and a wildcard above it those of all projects.
func (s *Service) checkDomainName(name string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", refuse(http.StatusBadRequest, codeBadRequest, "domain %q: "+format, append([]any{clip(name)}, args...)...)
	}
	host, wildcard, err := hostkey.CanonicalPattern(name)
	own := s.opts.Domain
	switch {
	case err != nil:
		return bad("%v", err)
	case host.IsIP():
		return bad("an IP address cannot be a custom domain")
	case !strings.Contains(string(host), "."):
		return bad("want a name of two labels or more, such as www.example.com or *.example.com")
	case string(host) == own || strings.HasSuffix(string(host), "."+own):
		return bad("names under %s belong to this server's own projects", own)
	case wildcard && strings.HasSuffix(own, "."+string(host)):
		return bad("it would cover %s, which belongs to this server's own projects", own)
	}
	return pattern(host, wildcard), nil
}

// putNewDomain stores a domain, as active if it is vouched for.
func (s *Service) putNewDomain(ctx context.Context, tx *store.Tx, p store.Project, d *store.Domain, vouched bool) error {
	p, err := sameProject(tx, p)
	if err != nil {
		return err
	}
	n := 0
	for old, err := range tx.Domains(p.No) {
		if err != nil {
			return err
		}
		if old.Host == d.Host {
			return s.vouchFor(ctx, tx, p, old, d, vouched)
		}
		if n++; n >= s.opts.MaxDomains {
			return refuse(http.StatusConflict, codeLimit, "project %q has %d domains, the limit of a project", p.Name, n)
		}
	}
	if err := s.hostFree(tx, p, d.Host); err != nil {
		return err
	}
	if vouched {
		return s.activate(ctx, tx, p, d)
	}
	return tx.PutDomain(*d)
}

// vouchFor answers the addition of a domain that the project has. One that waits for its proof goes live if who adds it
// needs none; it stays what it was, but for the branch if another one is named.
func (s *Service) vouchFor(ctx context.Context, tx *store.Tx, p store.Project, old store.Domain, d *store.Domain, vouched bool) error {
	if !vouched || old.Status != store.DomainPending {
		return refuse(http.StatusConflict, codeConflict, "project %q has the domain %s already", p.Name, d.Host)
	}
	if err := s.hostFree(tx, p, old.Host); err != nil {
		return err
	}
	old.Branch = cmp.Or(d.Branch, old.Branch)
	*d = old
	return s.activate(ctx, tx, p, d)
}

// removeDomain frees the host and takes its route away in one batch.
func (s *Service) removeDomain(c *call) (any, error) {
	d, err := s.pathDomain(c)
	if err != nil {
		return nil, err
	}
	_, err = s.deps.Store.UpdateFreeing(c.ctx, func(tx *store.Tx) error {
		p, err := sameProject(tx, c.project)
		if err != nil {
			return err
		}
		d, err := tx.Domain(p.No, d.Host)
		if errors.Is(err, store.ErrNotFound) {
			return nil // somebody was faster
		}
		if err != nil {
			return err
		}
		return s.dropDomain(c.ctx, tx, p, d)
	})
	s.domains.forget(d)
	return nil, err
}

func (s *Service) dropDomain(ctx context.Context, tx *store.Tx, p store.Project, d store.Domain) error {
	if err := tx.DeleteDomain(p.No, d.Host); err != nil {
		return err
	}
	if d.Status != store.DomainActive {
		return nil
	}
	if err := tx.ReleaseHost(d.Host); err != nil {
		return err
	}
	host, wildcard := splitWildcard(d.Host)
	return s.applyRoutes(ctx, tx, p.No, []RouteChange{{Host: host, Wildcard: wildcard}})
}
