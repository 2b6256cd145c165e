package store

import (
	"fmt"

	"berth/assets/manifest"
)

// PutBranch stores the state of a branch. Its labels become its own even if another branch held them, whose record the
// caller then corrects, before or after.
func (tx *Tx) PutBranch(b Branch) error {
	if b.Project == 0 {
		return invalid("branch %q without a project", b.Name)
	}
	if err := checkName("branch name", b.Name); err != nil {
		return err
	}
	if len(b.Exact) > maxNameBytes || len(b.Plain) > maxNameBytes {
		return invalid("branch %q with a label of more than %d bytes", b.Name, maxNameBytes)
	}
	if err := tx.dropBranchLabels(b.Project, b.Name); err != nil {
		return err
	}
	for _, label := range []string{b.Exact, b.Plain} {
		if label == "" {
			continue
		}
		if err := tx.set(key32s(tableBranchLabel, b.Project, label), []byte(b.Name)); err != nil {
			return err
		}
	}
	tx.touchProject(b.Project)
	return tx.set(key32s(tableBranch, b.Project, b.Name), encodeBranch(b))
}

// DeleteBranch deletes a branch and frees the labels that it holds.
func (tx *Tx) DeleteBranch(p ProjectNo, name string) error {
	if err := tx.dropBranchLabels(p, name); err != nil {
		return err
	}
	there, err := tx.dropIfThere(key32s(tableBranch, p, name))
	if there {
		tx.touchProject(p)
	}
	return err
}

// dropBranchLabels frees the labels of a branch, but for those that another branch has taken since.
func (tx *Tx) dropBranchLabels(p ProjectNo, name string) error {
	old, err := tx.Branch(p, name)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, label := range []string{old.Exact, old.Plain} {
		if label == "" {
			continue
		}
		key := key32s(tableBranchLabel, p, label)
		holder, err := getRecord(&tx.Reader, key, decodeName, "label %q", label)
		if isNotFound(err) || err == nil && holder != name {
			continue
		}
		if err != nil {
			return err
		}
		if err := tx.drop(key); err != nil {
			return err
		}
	}
	return nil
}

// PutDomain stores a custom domain of a project; it claims no host.
func (tx *Tx) PutDomain(m Domain) error {
	switch {
	case m.Project == 0:
		return invalid("domain %q without a project", m.Host)
	case m.Status != DomainPending && m.Status != DomainActive:
		return invalid("domain %q of unknown status %d", m.Host, m.Status)
	}
	if err := checkName("domain", m.Host); err != nil {
		return err
	}
	tx.touchProject(m.Project)
	return tx.set(key32s(tableDomain, m.Project, m.Host), encodeDomain(m))
}

// DeleteDomain deletes it; its host stays claimed.
func (tx *Tx) DeleteDomain(p ProjectNo, host string) error {
	there, err := tx.dropIfThere(key32s(tableDomain, p, host))
	if there {
		tx.touchProject(p)
	}
	return err
}

// ClaimHost gives a host (canonical, or "*." and a canonical one) to a project. ErrConflict: another project has it.
func (tx *Tx) ClaimHost(host string, o HostOwner) error {
	if err := checkName("host", host); err != nil {
		return err
	}
	if o.Account == 0 || o.Project == 0 {
		return invalid("host %q claimed for nobody", host)
	}
	held, err := tx.HostOwner(host)
	if err != nil && !isNotFound(err) {
		return err
	}
	if err == nil && held.Project != o.Project {
		return fmt.Errorf("%w: host %q", ErrConflict, host)
	}
	return tx.set(hostKey(host), encodeHostOwner(o))
}

// ReleaseHost frees a host.
func (tx *Tx) ReleaseHost(host string) error {
	_, err := tx.dropIfThere(hostKey(host))
	return err
}

// PutToken stores a token, for good or until its next Put.
func (tx *Tx) PutToken(t Token) error {
	if err := checkName("token ID", t.ID); err != nil {
		return err
	}
	if t.Account == 0 || t.Scope < ScopeServerAdmin || t.Scope > ScopeRead {
		return invalid("token %q without an account, or of unknown scope %d", t.ID, t.Scope)
	}
	if err := tx.dropTokenIndex(t.ID); err != nil {
		return err
	}
	if err := tx.set(key32s(tableAccountToken, t.Account, t.ID), nil); err != nil {
		return err
	}
	return tx.set(keyString(tableToken, t.ID), encodeToken(t))
}

// DeleteToken revokes a token.
func (tx *Tx) DeleteToken(id string) error {
	if err := tx.dropTokenIndex(id); err != nil {
		return err
	}
	_, err := tx.dropIfThere(keyString(tableToken, id))
	return err
}

func (tx *Tx) dropTokenIndex(id string) error {
	old, err := tx.Token(id)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.drop(key32s(tableAccountToken, old.Account, id))
}

// PutProof stores that an asset key with an extension is these bytes within the account.
func (tx *Tx) PutProof(p Proof) error {
	if p.Account == 0 || p.Blob.Size < 0 || len(p.Extension) > maxNameBytes {
		return invalid("proof of asset %x", p.Key[:])
	}
	return tx.set(proofKey(p.Account, p.Key, p.Extension), encodeProof(p))
}

// DeleteProof deletes the proof with p's account, key and extension.
func (tx *Tx) DeleteProof(p Proof) error {
	_, err := tx.dropIfThere(proofKey(p.Account, p.Key, p.Extension))
	return err
}

// PutClaim stores a claim; a project may hold several for one asset key, one for each blob.
func (tx *Tx) PutClaim(c Claim) error {
	if c.Project == 0 || c.Blob.Size < 0 {
		return invalid("claim of asset %x", c.Key[:])
	}
	return tx.set(claimKey(c.Project, c.Key, c.Blob.Digest), encodeClaim(c))
}

// DeleteClaim deletes the claim with c's project, key and digest.
func (tx *Tx) DeleteClaim(c Claim) error {
	_, err := tx.dropIfThere(claimKey(c.Project, c.Key, c.Blob.Digest))
	return err
}

// SetWanted notes, or forgets, that k is to be uploaded to p again.
func (tx *Tx) SetWanted(p ProjectNo, k manifest.AssetKey, wanted bool) error {
	key := key32(tableWanted, p, k[:]...)
	if wanted {
		return tx.set(key, nil)
	}
	_, err := tx.dropIfThere(key)
	return err
}
