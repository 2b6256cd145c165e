package control

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"berth/assets/kept"
	"berth/assets/manifest"
	"berth/assets/rules"
	"berth/store"
)

// indexes makes the index of each target and says what has to give way to them: a project keeps so many files in all, and
// the newest. Branches that moved longest ago lose their index as a whole, production none for a branch's sake. An
// index that two targets share counts once.
func (m *move) indexes(ctx context.Context, rd *store.Reader) error {
	others, err := m.others(rd)
	if err != nil {
		return err
	}
	counted, used := make(map[manifest.Digest]bool), 0
	cost := func(t store.Target) int {
		if t.Kept == (store.FileRef{}) || counted[t.Kept.Digest] {
			return 0
		}
		counted[t.Kept.Digest] = true
		return int(t.KeptFiles)
	}
	if len(others) > 0 && others[0].Branch == production {
		used, others = cost(others[0]), others[1:]
	}
	for i := range m.plans {
		if err := m.index(ctx, rd, i, max(m.svc.opts.MaxKeptFiles-used, 0)); err != nil {
			return err
		}
		used += cost(m.plans[i].after)
	}
	slices.SortStableFunc(others, func(a, b store.Target) int { return b.Past[0].Left.Compare(a.Past[0].Left) })
	for _, t := range others {
		n := cost(t)
		if used+n > m.svc.opts.MaxKeptFiles {
			m.victims, m.dropped = append(m.victims, t), m.dropped+n
			continue
		}
		used += n
	}
	return nil
}

// others lists the targets of the project that keep files and do not move: production first, then branches.
func (m *move) others(rd *store.Reader) ([]store.Target, error) {
	var others []store.Target
	for t, err := range rd.Targets(m.project.No) {
		if err != nil {
			return nil, fmt.Errorf("list what hosts of %s served: %w", m.project.Name, err)
		}
		moves := slices.ContainsFunc(m.plans, func(plan targetPlan) bool { return plan.branch == t.Branch })
		if !moves && t.Kept != (store.FileRef{}) && len(t.Past) > 0 {
			others = append(others, t)
		}
	}
	return others, nil
}

// index makes the index of m.plans[i], with at most so many files. Production and its branch mostly move alike and
// share one.
func (m *move) index(ctx context.Context, rd *store.Reader, i, most int) error {
	plan := &m.plans[i]
	if plan.stays {
		return nil
	}
	for _, other := range m.plans[:i] {
		if !other.stays && plan.like(other) {
			plan.after.Kept, plan.after.KeptFiles = other.after.Kept, other.after.KeptFiles
			return nil
		}
	}
	raw, report, err := m.next(rd, plan, most)
	if err == nil && raw != nil {
		err = m.store(plan, raw)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		// A tab that has to be loaded again is no reason to hold up a deployment, and less so a rollback.
		m.broken = true
		plan.after.Kept = store.FileRef{}
		m.svc.deps.Log.Error("files of earlier deployments are not kept", slog.String("project", m.project.Name), slog.String("branch", plan.branch), slog.Any("error", err))
		return nil
	}
	plan.after.KeptFiles = uint32(report.Files)
	m.dropped += report.Dropped
	return nil
}

func (m *move) store(plan *targetPlan, raw []byte) error {
	ref, unpin, err := m.svc.storeIndex(m.hold, raw)
	if err == nil {
		plan.after.Kept, m.unpin = ref, append(m.unpin, unpin)
	}
	return err
}

// like says that two targets come from the same and go to the same.
func (plan *targetPlan) like(other targetPlan) bool {
	same := func(a, b store.Past) bool { return a.Deployment == b.Deployment }
	return plan.from == other.from && plan.before.Kept == other.before.Kept && slices.EqualFunc(plan.after.Past, other.after.Past, same)
}

// next is what a target keeps after the move; nothing is read where nothing can be kept.
func (m *move) next(rd *store.Reader, plan *targetPlan, most int) (raw []byte, report kept.Report, err error) {
	if m.keep <= 0 || len(plan.after.Past) == 0 {
		return nil, report, nil
	}
	next := kept.Move{
		Alive: func(source uint64) bool {
			return slices.ContainsFunc(plan.after.Past, func(past store.Past) bool { return uint64(past.Deployment) == source })
		},
		FromNo: uint64(plan.from), Now: m.now.Unix(), Keep: m.keep, Max: most,
	}
	if next.Alive(next.FromNo) {
		from, err := rd.Deployment(plan.from)
		if err != nil {
			return nil, report, fmt.Errorf("deployment %d: %w", plan.from, err)
		}
		if from.Manifest.Digest != m.to.Manifest.Digest {
			if next.From, err = m.svc.readListing(from.Manifest); err != nil {
				return nil, report, fmt.Errorf("files of deployment %s: %w", shortID(from.UUID), err)
			}
			if next.Shadowed, err = m.svc.readRedirects(from.Redirects); err != nil {
				return nil, report, fmt.Errorf("%s of deployment %s: %w", rules.RedirectsFile, shortID(from.UUID), err)
			}
		}
	}
	if plan.before.Kept != (store.FileRef{}) {
		if next.Previous, err = m.svc.readWhole(plan.before.Kept); err != nil {
			return nil, report, fmt.Errorf("files kept before: %w", err)
		}
	}
	if next.From == nil && next.Previous == nil {
		return nil, report, nil
	}
	if err := m.load(); err != nil {
		return nil, report, err
	}
	next.To, next.Redirects = m.listing, m.redirects
	return kept.Next(next)
}

// load reads what there is to know of the deployment that is moved to.
func (m *move) load() (err error) {
	if m.loaded {
		return nil
	}
	if m.listing == nil {
		if m.listing, err = m.svc.readListing(m.to.Manifest); err != nil {
			return fmt.Errorf("files of the deployment to serve: %w", err)
		}
	}
	if m.redirects, err = m.svc.readRedirects(m.to.Redirects); err != nil {
		return fmt.Errorf("%s of the deployment to serve: %w", rules.RedirectsFile, err)
	}
	m.loaded = true
	return nil
}

// readWhole reads a blob and checks that its bytes are those: what is made of them will outlive it.
func (s *Service) readWhole(ref store.FileRef) ([]byte, error) {
	raw, err := s.deps.Blobs.ReadAll(ref.Digest, ref.Size)
	if err == nil && manifest.DigestOf(raw) != ref.Digest {
		err = fmt.Errorf("the bytes of blob %s are not those", ref.Digest)
	}
	return raw, err
}

// readRedirects reads and compiles the rules of a deployment; nil: it has none.
func (s *Service) readRedirects(ref store.FileRef) (*rules.Redirects, error) {
	if ref == (store.FileRef{}) {
		return nil, nil
	}
	text, err := s.readWhole(ref)
	if err != nil {
		return nil, err
	}
	return rules.CompileRedirects(text, s.opts.Rules), nil
}

func (s *Service) readListing(ref store.FileRef) (*manifest.Manifest, error) {
	raw, err := s.readWhole(ref)
	if err != nil {
		return nil, err
	}
	return manifest.Open(raw)
}

// storeIndex makes an index durable, and keeps a sweep off it until its record is committed or given up.
func (s *Service) storeIndex(hold *reservation, raw []byte) (ref store.FileRef, unpin func(), err error) {
	batch := s.deps.Blobs.NewBatch()
	defer batch.Abort()
	if ref, err = addBlob(batch, raw); err != nil {
		return ref, nil, err
	}
	hold.add(ref.Digest)
	unpin, err = batch.CommitPinned()
	return ref, unpin, err
}
