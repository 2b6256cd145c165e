package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"berth/store"
)

// How often a pending domain is looked up: after a quarter of the time it has waited, within these bounds; and after
// domainPatience only when asked.
const (
	domainTick       = 5 * time.Second
	domainFirstCheck = 15 * time.Second
	domainLastCheck  = time.Hour
	domainPatience   = 7 * 24 * time.Hour
	domainLookups    = 4     // at once
	maxWaiting       = 10000 // domains that are looked up unasked
)

// domainID names one addition of a domain.
type domainID struct {
	project store.ProjectNo
	host    string
	uuid    store.UUID
}

func idOf(d store.Domain) domainID { return domainID{d.Project, d.Host, d.UUID} }

// domainQueue knows when which pending domain is due.
type domainQueue struct {
	mu      sync.Mutex // guards waiting
	waiting map[domainID]time.Time
}

// wait schedules the next look-up of a pending domain.
func (q *domainQueue) wait(d store.Domain, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	age := now.Sub(d.Created)
	if age > domainPatience {
		delete(q.waiting, idOf(d))
		return
	}
	if _, known := q.waiting[idOf(d)]; known || len(q.waiting) < maxWaiting {
		q.waiting[idOf(d)] = now.Add(min(max(age/4, domainFirstCheck), domainLastCheck))
	}
}

func (q *domainQueue) forget(d store.Domain) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, idOf(d))
}

// due lists the domains whose time has come, the longest overdue first.
func (q *domainQueue) due(now time.Time) []domainID {
	q.mu.Lock()
	defer q.mu.Unlock()
	var ids []domainID
	for id, at := range q.waiting {
		if !now.Before(at) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b domainID) int { return q.waiting[a].Compare(q.waiting[b]) })
	return ids
}

// findPending fills the queue at start.
func (s *Service) findPending(ctx context.Context) error {
	for p, err := range s.deps.Store.Projects() {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		for d, err := range s.deps.Store.Domains(p.No) {
			if err != nil {
				return err
			}
			if d.Status == store.DomainPending {
				s.domains.wait(d, s.now())
			}
		}
	}
	return nil
}

// checkDueDomains looks up every domain that is due, a few at once, and returns when all are done.
func (s *Service) checkDueDomains(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, domainLookups)
	for _, id := range s.domains.due(s.now()) {
		select {
		case <-ctx.Done():
			return
		case slots <- struct{}{}:
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.checkQueued(ctx, id); err != nil && ctx.Err() == nil {
				s.deps.Log.Error("domain check failed", slog.String("domain", id.host), slog.Any("error", err))
			}
		})
	}
}

func (s *Service) checkQueued(ctx context.Context, id domainID) error {
	gone := store.Domain{Project: id.project, Host: id.host, UUID: id.uuid}
	d, err := s.deps.Store.Domain(id.project, id.host)
	if errors.Is(err, store.ErrNotFound) || err == nil && d.UUID != id.uuid {
		s.domains.forget(gone)
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.checkDomain(ctx, d)
	var moot *Error
	if errors.As(err, &moot) { // the domain or its project was removed meanwhile
		s.domains.forget(gone)
		return nil
	}
	return err
}

// recheckDomain looks a pending domain up now.
func (s *Service) recheckDomain(c *call) (any, error) {
	d, err := s.pathDomain(c)
	if err != nil {
		return nil, err
	}
	if d.Status == store.DomainPending {
		if d, err = s.checkDomain(c.ctx, d); err != nil {
			return nil, err
		}
	}
	return describeDomain(d), nil
}

// checkDomain looks up the TXT record of a pending domain, outside any Update, and stores what came of it.
func (s *Service) checkDomain(ctx context.Context, d store.Domain) (store.Domain, error) {
	fault := s.lookUpProof(ctx, d)
	// Where ctx ended the look-up, which says nothing about the domain, Update refuses too.
	var after store.Domain
	_, err := s.deps.Store.Update(ctx, func(tx *store.Tx) (err error) {
		after, err = s.settle(ctx, tx, d, fault)
		return err
	})
	if err != nil {
		return d, err
	}
	if after.Status == store.DomainPending {
		s.domains.wait(after, s.now())
	} else {
		s.domains.forget(after)
	}
	return after, nil
}

// lookUpProof says in words why the domain is not proved, or "".
func (s *Service) lookUpProof(ctx context.Context, d store.Domain) string {
	ctx, cancel := context.WithTimeout(ctx, s.opts.DomainTimeout)
	defer cancel()
	name := proofName(d.Host)
	texts, err := s.deps.Resolver.LookupTXT(ctx, name)
	var dns *net.DNSError
	switch {
	case err == nil && slices.Contains(texts, d.Proof):
		return ""
	case err == nil && len(texts) > 0:
		return fmt.Sprintf("%s has %d TXT records, none of which is %q", name, len(texts), d.Proof)
	case err == nil, errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("%s has no TXT record", name)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout:
		return fmt.Sprintf("no answer from the name server for %s within %v", name, s.opts.DomainTimeout)
	default:
		return fmt.Sprintf("looking up %s failed: %s", name, clip(err.Error()))
	}
}

// settle stores the outcome of a check, if the domain is still the one that was checked. Whether its host is free is
// asked here, where no other Update can come between.
func (s *Service) settle(ctx context.Context, tx *store.Tx, checked store.Domain, fault string) (store.Domain, error) {
	d, err := tx.Domain(checked.Project, checked.Host)
	if errors.Is(err, store.ErrNotFound) || err == nil && d.UUID != checked.UUID {
		return d, refuse(http.StatusConflict, codeConflict, "domain %s was removed meanwhile", checked.Host)
	}
	if err != nil || d.Status == store.DomainActive {
		return d, err
	}
	p, err := tx.Project(d.Project)
	if errors.Is(err, store.ErrNotFound) || err == nil && p.State != store.ProjectActive {
		return d, refuse(http.StatusConflict, codeConflict, "the project of domain %s was deleted meanwhile", d.Host)
	}
	if err != nil {
		return d, err
	}
	if fault == "" {
		var taken *Error
		switch err := s.hostFree(tx, p, d.Host); {
		case errors.As(err, &taken):
			fault = "proved, but " + taken.Message
		case err != nil:
			return d, err
		default:
			return d, s.activate(ctx, tx, p, &d)
		}
	}
	d.Error, d.Checked = fault, s.now()
	return d, tx.PutDomain(d)
}
