package store

import "fmt"

// BaseDomain is the domain below which the hosts of all route records were named, "" before SetBaseDomain. Keys are
// hashes: a server under another domain would find none of them, and could not say why.
func (r *Reader) BaseDomain() (string, error) {
	d, err := getRecord(r, keyBaseDomain, func(b []byte) (string, error) { return string(b), nil }, "base domain")
	if isNotFound(err) {
		return "", nil
	}
	return d, err
}

// SetBaseDomain stores the domain, once: it refuses to change it.
func (tx *Tx) SetBaseDomain(domain string) error {
	if err := checkName("base domain", domain); err != nil {
		return err
	}
	old, err := tx.BaseDomain()
	if err != nil || old == domain {
		return err
	}
	if old != "" {
		return fmt.Errorf("%w: the base domain is %s", ErrConflict, old)
	}
	return tx.set(keyBaseDomain, []byte(domain))
}
